// Node's `ws`: a loop over the clients of a room.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.env.PORT), path: "/chat", backlog: 2048 });
let number = 0;

const rooms = new Map();

server.on("connection", (connection, request) => {
  const room = new URL(request.url, "http://localhost").searchParams.get("room") ?? "";
  if (!rooms.has(room)) rooms.set(room, new Set());
  const clients = rooms.get(room).add(connection);
  const name = `user${number++}`;
  connection.send(`You are connected! There are ${clients.size} users here.`);
  connection.on("message", (text) => {
    const said = `[${name}]: ${text}`;
    for (const client of clients) client.send(said);
  });
  connection.on("close", () => clients.delete(connection));
});
