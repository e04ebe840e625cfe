// Node's `ws`: a loop over the clients.
import { WebSocketServer } from "ws";

const server = new WebSocketServer({ host: "127.0.0.1", port: Number(process.env.PORT), path: "/chat", backlog: 2048 });
let number = 0;

server.on("connection", (connection) => {
  const name = `user${number++}`;
  connection.send(`You are connected! There are ${server.clients.size} users here.`);
  connection.on("message", (text) => {
    const said = `[${name}]: ${text}`;
    for (const client of server.clients) client.send(said);
  });
});
