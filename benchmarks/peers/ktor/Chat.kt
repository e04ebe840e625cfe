// The original: the server of Ktor's tutorial, with its settings, on Netty; and with rooms.
import io.ktor.server.application.install
import io.ktor.server.engine.embeddedServer
import io.ktor.server.netty.Netty
import io.ktor.server.routing.routing
import io.ktor.server.websocket.*
import io.ktor.websocket.Frame
import io.ktor.websocket.readText
import io.ktor.websocket.send
import java.util.Collections
import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicInteger

class Connection(val session: DefaultWebSocketServerSession) {
    companion object {
        val lastId = AtomicInteger(0)
    }

    val name = "user${lastId.getAndIncrement()}"
}

fun main() {
    embeddedServer(Netty, host = "127.0.0.1", port = System.getenv("PORT").toInt()) {
        install(WebSockets) {
            pingPeriodMillis = 15_000
            timeoutMillis = 15_000
            maxFrameSize = Long.MAX_VALUE
            masking = false
        }
        routing {
            val rooms = ConcurrentHashMap<String, MutableSet<Connection>>()
            webSocket("/chat") {
                val connections = rooms.computeIfAbsent(call.request.queryParameters["room"] ?: "") {
                    Collections.synchronizedSet(LinkedHashSet())
                }
                val thisConnection = Connection(this)
                connections += thisConnection
                try {
                    send("You are connected! There are ${connections.count()} users here.")
                    for (frame in incoming) {
                        frame as? Frame.Text ?: continue
                        val text = "[${thisConnection.name}]: ${frame.readText()}"
                        // The tutorial goes over the set itself, which fails when somebody comes or goes meanwhile.
                        synchronized(connections) { connections.toList() }.forEach { it.session.send(text) }
                    }
                } finally {
                    connections -= thisConnection
                }
            }
        }
    }.start(wait = true)
}
