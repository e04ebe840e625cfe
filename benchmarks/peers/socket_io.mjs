// Socket.IO over WebSocket, its own protocol: a client sends and gets 42["chat","..."].
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer((_, response) => response.end());
// The load generator doesn't answer pings that are texts, so there are none for as long as a benchmark takes.
const server = new Server(http, { transports: ["websocket"], path: "/chat", pingInterval: 600_000 });
let number = 0;

server.on("connection", (socket) => {
  const name = `user${number++}`;
  socket.emit("chat", `You are connected! There are ${server.engine.clientsCount} users here.`);
  socket.on("chat", (text) => server.emit("chat", `[${name}]: ${text}`));
});

http.listen({ host: "127.0.0.1", port: Number(process.env.PORT), backlog: 2048 });
