// The types of what this page uses of lit-html.js.

export interface TemplateResult {
  readonly strings: TemplateStringsArray;
  readonly values: readonly unknown[];
}

export type Directive = { readonly _$litDirective$?: unknown };

export interface Ref<T extends Element = Element> {
  readonly value?: T;
}

export interface Part {
  readonly startNode?: Node;
  setConnected(connected: boolean): void;
}

export interface RenderOptions {
  host?: object;
  renderBefore?: ChildNode | null;
  isConnected?: boolean;
}

export function html(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export function svg(strings: TemplateStringsArray, ...values: unknown[]): TemplateResult;
export const nothing: unique symbol;
export function render(value: unknown, container: HTMLElement | DocumentFragment, options?: RenderOptions): Part;

export function repeat<T>(
  items: Iterable<T>,
  key: (item: T, index: number) => unknown,
  template: (item: T, index: number) => unknown,
): unknown;
export function keyed(key: unknown, value: unknown): Directive;
export function createRef<T extends Element = Element>(): Ref<T>;
export function ref(reference: Ref<any> | ((element: Element | undefined) => void) | undefined): Directive;
export function classMap(classes: Readonly<Record<string, string | boolean | number>>): Directive;
export function live(value: unknown): Directive;
export function guard(dependencies: unknown, value: () => unknown): Directive;
export function ifDefined<T>(value: T): NonNullable<T> | typeof nothing;
