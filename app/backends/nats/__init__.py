"""The backend of many nodes: every node applies one log of changes, which NATS JetStream keeps, to a store of its own.

`settings`
    The settings group `chat.nats`.
`engine`
    The servers as the rest sees them: append to the log, read it, listen.
`asking`, `calls`
    What was asked of the servers, and their answers.
`choosing`
    Which of the servers a node uses.
`connection`
    One connection to one server. The only module that imports nats-py, when an engine opens.
`streams`
    Which stream is the log, and how it has to be.
`snapshots`
    The copy of one node at a position, from which others go on, so that the log before it can go.
`preparing`
    What a node does before it opens its copy: it begins the log, or fetches a snapshot, if it has to.
`copies`
    A node's copy as a file, and how another one takes its place.
"""
