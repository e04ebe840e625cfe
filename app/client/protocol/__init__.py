"""The client's side of the protocol, without sockets and clocks: texts in, actions out."""
