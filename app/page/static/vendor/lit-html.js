// lit-html 3.3.3, Copyright 2017 Google LLC, BSD-3-Clause: see LICENSE in this folder.
//
// The production files of the npm package lit-html-3.3.3.tgz, sha256
// ae004138a6327c362fee8e48db2a8ee9619a6ca3014c802857395e6ac447a0eb, put into one module by esbuild 0.28.2:
//   esbuild entry.js --bundle --format=esm --minify --line-limit=120 --legal-comments=none --target=es2022
// with each tab written as \t. entry.js is
//   export { html, svg, nothing, render } from "lit-html";
//   export { repeat } from "lit-html/directives/repeat.js";
//   export { keyed } from "lit-html/directives/keyed.js";
//   export { ref, createRef } from "lit-html/directives/ref.js";
//   export { classMap } from "lit-html/directives/class-map.js";
//   export { live } from "lit-html/directives/live.js";
//   export { guard } from "lit-html/directives/guard.js";
//   export { ifDefined } from "lit-html/directives/if-defined.js";
var Q=globalThis,st=e=>e,S=Q.trustedTypes,it=S?S.createPolicy("lit-html",{createHTML:e=>e}):void 0,Z="$lit$",y=`lit$${Math.
random().toFixed(9).slice(2)}$`,q="?"+y,vt=`<${q}>`,H=document,R=()=>H.createComment(""),B=e=>e===null||typeof e!="objec\
t"&&typeof e!="function",J=Array.isArray,lt=e=>J(e)||typeof e?.[Symbol.iterator]=="function",F=`[ \t
\f\r]`,w=/<(?:(!--|\/[^a-zA-Z])|(\/?[a-zA-Z][^>\s]*)|(\/?$))/g,rt=/-->/g,nt=/>/g,T=RegExp(`>|${F}(?:([^\\s"'>=/]+)(${F}*\
=${F}*(?:[^ \t
\f\r"'\`<>=]|("|')|))|$)`,"g"),ot=/'/g,ht=/"/g,ct=/^(?:script|style|textarea|title)$/i,K=e=>(t,...s)=>({_$litType$:e,strings:t,
values:s}),gt=K(1),yt=K(2),Ot=K(3),_=Symbol.for("lit-noChange"),c=Symbol.for("lit-nothing"),at=new WeakMap,C=H.createTreeWalker(
H,129);function dt(e,t){if(!J(e)||!e.hasOwnProperty("raw"))throw Error("invalid template strings array");return it!==void 0?
it.createHTML(t):t}var $t=(e,t)=>{let s=e.length-1,i=[],r,n=t===2?"<svg>":t===3?"<math>":"",o=w;for(let d=0;d<s;d++){let h=e[d],
$,A,a=-1,p=0;for(;p<h.length&&(o.lastIndex=p,A=o.exec(h),A!==null);)p=o.lastIndex,o===w?A[1]==="!--"?o=rt:A[1]!==void 0?
o=nt:A[2]!==void 0?(ct.test(A[2])&&(r=RegExp("</"+A[2],"g")),o=T):A[3]!==void 0&&(o=T):o===T?A[0]===">"?(o=r??w,a=-1):A[1]===
void 0?a=-2:(a=o.lastIndex-A[2].length,$=A[1],o=A[3]===void 0?T:A[3]==='"'?ht:ot):o===ht||o===ot?o=T:o===rt||o===nt?o=w:
(o=T,r=void 0);let l=o===T&&e[d+1].startsWith("/>")?" ":"";n+=o===w?h+vt:a>=0?(i.push($),h.slice(0,a)+Z+h.slice(a)+y+l):
h+y+(a===-2?d:l)}return[dt(e,n+(e[s]||"<?>")+(t===2?"</svg>":t===3?"</math>":"")),i]},D=class e{constructor({strings:t,_$litType$:s},i){
let r;this.parts=[];let n=0,o=0,d=t.length-1,h=this.parts,[$,A]=$t(t,s);if(this.el=e.createElement($,i),C.currentNode=this.
el.content,s===2||s===3){let a=this.el.content.firstChild;a.replaceWith(...a.childNodes)}for(;(r=C.nextNode())!==null&&h.
length<d;){if(r.nodeType===1){if(r.hasAttributes())for(let a of r.getAttributeNames())if(a.endsWith(Z)){let p=A[o++],l=r.
getAttribute(a).split(y),u=/([.?@])?(.*)/.exec(p);h.push({type:1,index:n,name:u[2],strings:l,ctor:u[1]==="."?O:u[1]==="?"?
k:u[1]==="@"?L:b}),r.removeAttribute(a)}else a.startsWith(y)&&(h.push({type:6,index:n}),r.removeAttribute(a));if(ct.test(
r.tagName)){let a=r.textContent.split(y),p=a.length-1;if(p>0){r.textContent=S?S.emptyScript:"";for(let l=0;l<p;l++)r.append(
a[l],R()),C.nextNode(),h.push({type:2,index:++n});r.append(a[p],R())}}}else if(r.nodeType===8)if(r.data===q)h.push({type:2,
index:n});else{let a=-1;for(;(a=r.data.indexOf(y,a+1))!==-1;)h.push({type:7,index:n}),a+=y.length-1}n++}}static createElement(t,s){
let i=H.createElement("template");return i.innerHTML=t,i}};function N(e,t,s=e,i){if(t===_)return t;let r=i!==void 0?s._$Co?.[i]:
s._$Cl,n=B(t)?void 0:t._$litDirective$;return r?.constructor!==n&&(r?._$AO?.(!1),n===void 0?r=void 0:(r=new n(e),r._$AT(
e,s,i)),i!==void 0?(s._$Co??=[])[i]=r:s._$Cl=r),r!==void 0&&(t=N(e,r._$AS(e,t.values),r,i)),t}var U=class{constructor(t,s){
this._$AV=[],this._$AN=void 0,this._$AD=t,this._$AM=s}get parentNode(){return this._$AM.parentNode}get _$AU(){return this.
_$AM._$AU}u(t){let{el:{content:s},parts:i}=this._$AD,r=(t?.creationScope??H).importNode(s,!0);C.currentNode=r;let n=C.nextNode(),
o=0,d=0,h=i[0];for(;h!==void 0;){if(o===h.index){let $;h.type===2?$=new E(n,n.nextSibling,this,t):h.type===1?$=new h.ctor(
n,h.name,h.strings,this,t):h.type===6&&($=new V(n,this,t)),this._$AV.push($),h=i[++d]}o!==h?.index&&(n=C.nextNode(),o++)}
return C.currentNode=H,r}p(t){let s=0;for(let i of this._$AV)i!==void 0&&(i.strings!==void 0?(i._$AI(t,i,s),s+=i.strings.
length-2):i._$AI(t[s])),s++}},E=class e{get _$AU(){return this._$AM?._$AU??this._$Cv}constructor(t,s,i,r){this.type=2,this.
_$AH=c,this._$AN=void 0,this._$AA=t,this._$AB=s,this._$AM=i,this.options=r,this._$Cv=r?.isConnected??!0}get parentNode(){
let t=this._$AA.parentNode,s=this._$AM;return s!==void 0&&t?.nodeType===11&&(t=s.parentNode),t}get startNode(){return this.
_$AA}get endNode(){return this._$AB}_$AI(t,s=this){t=N(this,t,s),B(t)?t===c||t==null||t===""?(this._$AH!==c&&this._$AR(),
this._$AH=c):t!==this._$AH&&t!==_&&this._(t):t._$litType$!==void 0?this.$(t):t.nodeType!==void 0?this.T(t):lt(t)?this.k(
t):this._(t)}O(t){return this._$AA.parentNode.insertBefore(t,this._$AB)}T(t){this._$AH!==t&&(this._$AR(),this._$AH=this.
O(t))}_(t){this._$AH!==c&&B(this._$AH)?this._$AA.nextSibling.data=t:this.T(H.createTextNode(t)),this._$AH=t}$(t){let{values:s,
_$litType$:i}=t,r=typeof i=="number"?this._$AC(t):(i.el===void 0&&(i.el=D.createElement(dt(i.h,i.h[0]),this.options)),i);
if(this._$AH?._$AD===r)this._$AH.p(s);else{let n=new U(r,this),o=n.u(this.options);n.p(s),this.T(o),this._$AH=n}}_$AC(t){
let s=at.get(t.strings);return s===void 0&&at.set(t.strings,s=new D(t)),s}k(t){J(this._$AH)||(this._$AH=[],this._$AR());
let s=this._$AH,i,r=0;for(let n of t)r===s.length?s.push(i=new e(this.O(R()),this.O(R()),this,this.options)):i=s[r],i._$AI(
n),r++;r<s.length&&(this._$AR(i&&i._$AB.nextSibling,r),s.length=r)}_$AR(t=this._$AA.nextSibling,s){for(this._$AP?.(!1,!0,
s);t!==this._$AB;){let i=st(t).nextSibling;st(t).remove(),t=i}}setConnected(t){this._$AM===void 0&&(this._$Cv=t,this._$AP?.(
t))}},b=class{get tagName(){return this.element.tagName}get _$AU(){return this._$AM._$AU}constructor(t,s,i,r,n){this.type=
1,this._$AH=c,this._$AN=void 0,this.element=t,this.name=s,this._$AM=r,this.options=n,i.length>2||i[0]!==""||i[1]!==""?(this.
_$AH=Array(i.length-1).fill(new String),this.strings=i):this._$AH=c}_$AI(t,s=this,i,r){let n=this.strings,o=!1;if(n===void 0)
t=N(this,t,s,0),o=!B(t)||t!==this._$AH&&t!==_,o&&(this._$AH=t);else{let d=t,h,$;for(t=n[0],h=0;h<n.length-1;h++)$=N(this,
d[i+h],s,h),$===_&&($=this._$AH[h]),o||=!B($)||$!==this._$AH[h],$===c?t=c:t!==c&&(t+=($??"")+n[h+1]),this._$AH[h]=$}o&&!r&&
this.j(t)}j(t){t===c?this.element.removeAttribute(this.name):this.element.setAttribute(this.name,t??"")}},O=class extends b{constructor(){
super(...arguments),this.type=3}j(t){this.element[this.name]=t===c?void 0:t}},k=class extends b{constructor(){super(...arguments),
this.type=4}j(t){this.element.toggleAttribute(this.name,!!t&&t!==c)}},L=class extends b{constructor(t,s,i,r,n){super(t,s,
i,r,n),this.type=5}_$AI(t,s=this){if((t=N(this,t,s,0)??c)===_)return;let i=this._$AH,r=t===c&&i!==c||t.capture!==i.capture||
t.once!==i.once||t.passive!==i.passive,n=t!==c&&(i===c||r);r&&this.element.removeEventListener(this.name,this,i),n&&this.
element.addEventListener(this.name,this,t),this._$AH=t}handleEvent(t){typeof this._$AH=="function"?this._$AH.call(this.options?.
host??this.element,t):this._$AH.handleEvent(t)}},V=class{constructor(t,s,i){this.element=t,this.type=6,this._$AN=void 0,
this._$AM=s,this.options=i}get _$AU(){return this._$AM._$AU}_$AI(t){N(this,t)}},pt={M:Z,P:y,A:q,C:1,L:$t,R:U,D:lt,V:N,I:E,
H:b,N:k,U:L,B:O,F:V},xt=Q.litHtmlPolyfillSupport;xt?.(D,E),(Q.litHtmlVersions??=[]).push("3.3.3");var Tt=(e,t,s)=>{let i=s?.
renderBefore??t,r=i._$litPart$;if(r===void 0){let n=s?.renderBefore??null;i._$litPart$=r=new E(t.insertBefore(R(),n),n,void 0,
s??{})}return r._$AI(e),r};var m={ATTRIBUTE:1,CHILD:2,PROPERTY:3,BOOLEAN_ATTRIBUTE:4,EVENT:5,ELEMENT:6},v=e=>(...t)=>({_$litDirective$:e,values:t}),
f=class{constructor(t){}get _$AU(){return this._$AM._$AU}_$AT(t,s,i){this._$Ct=t,this._$AM=s,this._$Ci=i}_$AS(t,s){return this.
update(t,s)}update(t,s){return this.render(...s)}};var{I:Ct}=pt,At=e=>e;var G=e=>e.strings===void 0,ut=()=>document.createComment(""),M=(e,t,s)=>{let i=e._$AA.parentNode,r=t===void 0?e._$AB:t.
_$AA;if(s===void 0){let n=i.insertBefore(ut(),r),o=i.insertBefore(ut(),r);s=new Ct(n,o,e,e.options)}else{let n=s._$AB.nextSibling,
o=s._$AM,d=o!==e;if(d){let h;s._$AQ?.(e),s._$AM=e,s._$AP!==void 0&&(h=e._$AU)!==o._$AU&&s._$AP(h)}if(n!==r||d){let h=s._$AA;
for(;h!==n;){let $=At(h).nextSibling;At(i).insertBefore(h,r),h=$}}}return s},x=(e,t,s=e)=>(e._$AI(t,s),e),Ht={},P=(e,t=Ht)=>e.
_$AH=t,_t=e=>e._$AH,j=e=>{e._$AR(),e._$AA.remove()};var ft=(e,t,s)=>{let i=new Map;for(let r=t;r<=s;r++)i.set(e[r],r);return i},Nt=v(class extends f{constructor(e){if(super(
e),e.type!==m.CHILD)throw Error("repeat() can only be used in text expressions")}dt(e,t,s){let i;s===void 0?s=t:t!==void 0&&
(i=t);let r=[],n=[],o=0;for(let d of e)r[o]=i?i(d,o):o,n[o]=s(d,o),o++;return{values:n,keys:r}}render(e,t,s){return this.
dt(e,t,s).values}update(e,[t,s,i]){let r=_t(e),{values:n,keys:o}=this.dt(t,s,i);if(!Array.isArray(r))return this.ut=o,n;
let d=this.ut??=[],h=[],$,A,a=0,p=r.length-1,l=0,u=n.length-1;for(;a<=p&&l<=u;)if(r[a]===null)a++;else if(r[p]===null)p--;else if(d[a]===
o[l])h[l]=x(r[a],n[l]),a++,l++;else if(d[p]===o[u])h[u]=x(r[p],n[u]),p--,u--;else if(d[a]===o[u])h[u]=x(r[a],n[u]),M(e,h[u+
1],r[a]),a++,u--;else if(d[p]===o[l])h[l]=x(r[p],n[l]),M(e,r[a],r[p]),p--,l++;else if($===void 0&&($=ft(o,l,u),A=ft(d,a,
p)),$.has(d[a]))if($.has(d[p])){let g=A.get(o[l]),Y=g!==void 0?r[g]:null;if(Y===null){let et=M(e,r[a]);x(et,n[l]),h[l]=et}else
h[l]=x(Y,n[l]),M(e,r[a],Y),r[g]=null;l++}else j(r[p]),p--;else j(r[a]),a++;for(;l<=u;){let g=M(e,h[u+1]);x(g,n[l]),h[l++]=
g}for(;a<=p;){let g=r[a++];g!==null&&j(g)}return this.ut=o,P(e,h),_}});var bt=v(class extends f{constructor(){super(...arguments),this.key=c}render(e,t){return this.key=e,t}update(e,[t,s]){return t!==
this.key&&(P(e),this.key=t),s}});var I=(e,t)=>{let s=e._$AN;if(s===void 0)return!1;for(let i of s)i._$AO?.(t,!1),I(i,t);return!0},W=e=>{let t,s;do{if((t=
e._$AM)===void 0)break;s=t._$AN,s.delete(e),e=t}while(s?.size===0)},mt=e=>{for(let t;t=e._$AM;e=t){let s=t._$AN;if(s===void 0)
t._$AN=s=new Set;else if(s.has(e))break;s.add(e),Pt(t)}};function Et(e){this._$AN!==void 0?(W(this),this._$AM=e,mt(this)):
this._$AM=e}function Mt(e,t=!1,s=0){let i=this._$AH,r=this._$AN;if(r!==void 0&&r.size!==0)if(t)if(Array.isArray(i))for(let n=s;n<
i.length;n++)I(i[n],!1),W(i[n]);else i!=null&&(I(i,!1),W(i));else I(this,e)}var Pt=e=>{e.type==m.CHILD&&(e._$AP??=Mt,e._$AQ??=
Et)},z=class extends f{constructor(){super(...arguments),this._$AN=void 0}_$AT(t,s,i){super._$AT(t,s,i),mt(this),this.isConnected=
t._$AU}_$AO(t,s=!0){t!==this.isConnected&&(this.isConnected=t,t?this.reconnected?.():this.disconnected?.()),s&&(I(this,t),
W(this))}setValue(t){if(G(this._$Ct))this._$Ct._$AI(t,this);else{let s=[...this._$Ct._$AH];s[this._$Ci]=t,this._$Ct._$AI(
s,this,0)}}disconnected(){}reconnected(){}};var wt=()=>new tt,tt=class{},X=new WeakMap,Rt=v(class extends z{render(e){return c}update(e,[t]){let s=t!==this.G;return s&&
this.rt(void 0),(s||this.lt!==this.ct)&&(this.G=t,this.ht=e.options?.host,this.rt(this.ct=e.element)),c}rt(e){if(this.G!==
void 0)if(this.isConnected||(e=void 0),typeof this.G=="function"){let t=this.ht??globalThis,s=X.get(t);s===void 0&&(s=new WeakMap,
X.set(t,s)),s.get(this.G)!==void 0&&this.G.call(this.ht,void 0),s.set(this.G,e),e!==void 0&&this.G.call(this.ht,e)}else this.
G.value=e}get lt(){return typeof this.G=="function"?X.get(this.ht??globalThis)?.get(this.G):this.G?.value}disconnected(){
this.lt===this.ct&&this.rt(void 0)}reconnected(){this.rt(this.ct)}});var Bt=v(class extends f{constructor(e){if(super(e),e.type!==m.ATTRIBUTE||e.name!=="class"||e.strings?.length>2)throw Error(
"`classMap()` can only be used in the `class` attribute and must be the only part in the attribute.")}render(e){return" "+
Object.keys(e).filter(t=>e[t]).join(" ")+" "}update(e,[t]){if(this.st===void 0){this.st=new Set,e.strings!==void 0&&(this.
nt=new Set(e.strings.join(" ").split(/\s/).filter(i=>i!=="")));for(let i in t)t[i]&&!this.nt?.has(i)&&this.st.add(i);return this.
render(t)}let s=e.element.classList;for(let i of this.st)i in t||(s.remove(i),this.st.delete(i));for(let i in t){let r=!!t[i];
r===this.st.has(i)||this.nt?.has(i)||(r?(s.add(i),this.st.add(i)):(s.remove(i),this.st.delete(i)))}return _}});var Dt=v(class extends f{constructor(e){if(super(e),e.type!==m.PROPERTY&&e.type!==m.ATTRIBUTE&&e.type!==m.BOOLEAN_ATTRIBUTE)
throw Error("The `live` directive is not allowed on child or event bindings");if(!G(e))throw Error("`live` bindings can \
only contain a single expression")}render(e){return e}update(e,[t]){if(t===_||t===c)return t;let s=e.element,i=e.name;if(e.
type===m.PROPERTY){if(t===s[i])return _}else if(e.type===m.BOOLEAN_ATTRIBUTE){if(!!t===s.hasAttribute(i))return _}else if(e.
type===m.ATTRIBUTE&&s.getAttribute(i)===t+"")return _;return P(e),t}});var It={},St=v(class extends f{constructor(){super(...arguments),this.ot=It}render(e,t){return t()}update(e,[t,s]){if(Array.
isArray(t)){if(Array.isArray(this.ot)&&this.ot.length===t.length&&t.every((i,r)=>i===this.ot[r]))return _}else if(this.ot===
t)return _;return this.ot=Array.isArray(t)?Array.from(t):t,this.render(t,s)}});var Ut=e=>e??c;export{Bt as classMap,wt as createRef,St as guard,gt as html,Ut as ifDefined,bt as keyed,Dt as live,c as nothing,Rt as ref,
Tt as render,Nt as repeat,yt as svg};
