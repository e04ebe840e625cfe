// The page of the text dialect: what comes is shown, what is typed is sent. It comes back by itself when the
// connection is lost; what was said meanwhile is not shown, since the text dialect has no positions.

const log = document.querySelector("#log");
const state = document.querySelector("#state");
const form = document.querySelector("#composer");
const button = form.querySelector("button");

const LONGEST_WAIT = 15_000;
const MOST_LINES = 500;

let socket;
let attempts = 0;

function connect() {
  const url = new URL("chat", document.baseURI);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(url);
  socket.onopen = () => {
    attempts = 0;
    show("Connected", true);
  };
  socket.onmessage = ({ data }) => add(data);
  socket.onclose = ({ code, reason }) => {
    // The delay grows and has a random part, so that a restart is not met by everybody at once.
    const wait = Math.min(LONGEST_WAIT, 500 * 2 ** attempts++) * (0.5 + Math.random() / 2);
    show(`${explain(code, reason)} Trying again …`, false);
    setTimeout(connect, wait);
  };
}

function explain(code, reason) {
  if (code === 1012) return "The server is restarting.";
  if (code === 1009) return "That message was too long.";
  if (code === 4000) return "This page read too slowly.";
  return reason ? `Disconnected: ${reason}.` : "Disconnected.";
}

function show(text, connected) {
  state.textContent = text;
  button.disabled = !connected;
}

function add(text) {
  const near = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const line = document.createElement("p");
  const [, name, rest] = /^\[([^\]]+)\]: ([\s\S]*)$/.exec(text) ?? [];
  if (name === undefined) {
    line.className = "notice";
    line.textContent = text;
  } else {
    const author = document.createElement("b");
    author.textContent = name;
    line.append(author, ` ${rest}`);
  }
  log.append(line);
  while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
  if (near) log.scrollTop = log.scrollHeight;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = form.elements.text.value;
  if (!text || socket.readyState !== WebSocket.OPEN) return;
  socket.send(text);
  form.reset();
});

show("Connecting …", false);
connect();
