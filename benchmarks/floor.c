/* The kernel's floor: the least that a chat server can do, so that its cost is the kernel's.
 *
 * It accepts connections, answers every handshake with the same 101, and sends what a client says to all in the room:
 * what one turn of epoll brings is joined, with one send() per member. No limits, no checks: it is made for measuring
 * only. It listens on PORT; a room is known by the number at the end of ?room=.
 *
 * With FLOOR_LOG, the path of a file, it also stores what it sends, before it sends it: all that one turn of epoll brings
 * in one pwrite() and one fdatasync(). The file is zeroed at the start and then overwritten in place, again and again, so
 * that a commit writes no metadata.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DESCRIPTORS = 65536, ROOMS = 4096, READ = 1 << 18, BATCH = 1 << 22, KEPT = 1 << 17, LOG = 1 << 24 };

struct room {
    int *members, count, room_for;
    char *batch;
    size_t size;
};
struct client {
    int open, number, room, place;
    uint8_t *ahead; /* the beginning of a frame that is still incomplete */
    size_t kept;
};

static struct room rooms[ROOMS];
static struct client clients[DESCRIPTORS];
static int people, dirty[ROOMS], dirty_count;

static int log_file = -1;
static char record[LOG]; /* what the next commit writes */
static size_t record_size, log_end;

static void open_log(const char *path) {
    log_file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (log_file < 0 || pwrite(log_file, record, LOG, 0) != LOG || fsync(log_file)) {
        perror("floor: FLOOR_LOG");
        exit(1);
    }
}

static void commit(void) {
    if (record_size) {
        if (log_end + record_size > LOG)
            log_end = 0;
        if (pwrite(log_file, record, record_size, log_end) != (ssize_t)record_size || fdatasync(log_file)) {
            perror("floor: FLOOR_LOG");
            exit(1);
        }
        log_end += record_size;
        record_size = 0;
    }
}

static void leave(int fd) {
    struct client *client = &clients[fd];
    if (client->open) {
        struct room *room = &rooms[client->room];
        int last = room->members[--room->count];
        room->members[client->place] = last;
        clients[last].place = client->place;
        people--;
    }
    free(client->ahead);
    memset(client, 0, sizeof *client);
    close(fd);
}

static void send_all(int fd, const char *data, size_t size) {
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent > 0) {
            data += sent;
            size -= sent;
        } else if (sent < 0 && errno == EAGAIN) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};
            if (poll(&wait, 1, 1000) <= 0)
                return;
        } else {
            return;
        }
    }
}

static size_t head(char *to, size_t size) {
    size_t at = 0;
    to[at++] = (char)0x81;
    if (size < 126) {
        to[at++] = (char)size;
    } else {
        to[at++] = 126;
        to[at++] = (char)(size >> 8);
        to[at++] = (char)size;
    }
    return at;
}

static void flush(struct room *room) {
    commit();
    for (int i = 0; i < room->count; i++)
        send_all(room->members[i], room->batch, room->size);
    room->size = 0;
}

static void join(int fd, const char *request) {
    static int joined;
    struct client *client = &clients[fd];
    const char *line_end = strchr(request, '\r'), *query = strstr(request, "room=");
    int number = 0;
    if (query && query < line_end) {
        query += strcspn(query, "0123456789 ");
        number = atoi(query) % ROOMS;
    }
    struct room *room = &rooms[number];
    if (room->count == room->room_for) {
        room->room_for = room->room_for ? 2 * room->room_for : 16;
        room->members = realloc(room->members, room->room_for * sizeof *room->members);
    }
    client->open = 1;
    client->number = joined++;
    client->room = number;
    client->place = room->count;
    room->members[room->count++] = fd;
    char answer[512], greeting[64];
    int size = sprintf(greeting, "You are connected! There are %d users here.", ++people);
    int at = sprintf(answer, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    at += head(answer + at, size);
    memcpy(answer + at, greeting, size);
    send_all(fd, answer, at + size);
}

static void say(struct client *client, const uint8_t *mask, const uint8_t *text, size_t size) {
    struct room *room = &rooms[client->room];
    char name[32];
    size_t named = sprintf(name, "[user%d]: ", client->number);
    if (!room->batch)
        room->batch = malloc(room == rooms ? BATCH : KEPT * 2);
    if (room->size + named + size + 4 > (room == rooms ? BATCH : KEPT * 2))
        flush(room);
    if (!room->size)
        dirty[dirty_count++] = client->room;
    char *start = room->batch + room->size;
    room->size += head(start, named + size);
    memcpy(room->batch + room->size, name, named);
    room->size += named;
    for (size_t i = 0; i < size; i++)
        room->batch[room->size + i] = (char)(text[i] ^ mask[i & 3]);
    room->size += size;
    if (log_file >= 0) {
        size_t written = room->batch + room->size - start;
        if (record_size + written > LOG)
            commit();
        memcpy(record + record_size, start, written);
        record_size += written;
    }
}

static void hear(int fd) {
    static uint8_t buffer[KEPT + READ + 1];
    struct client *client = &clients[fd];
    if (client->kept)
        memcpy(buffer, client->ahead, client->kept);
    ssize_t got = recv(fd, buffer + client->kept, READ, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            leave(fd);
        return;
    }
    uint8_t *at = buffer, *end = buffer + client->kept + got;
    *end = 0;
    client->kept = 0;
    if (!client->open) {
        uint8_t *blank = (uint8_t *)strstr((char *)buffer, "\r\n\r\n");
        if (blank) {
            join(fd, (char *)buffer);
            at = blank + 4;
        }
    }
    while (client->open && end - at >= 2) {
        size_t size = at[1] & 127, start = 6;
        if (size == 126) {
            if (end - at < 4)
                break;
            size = (size_t)at[2] << 8 | at[3];
            start = 8;
        }
        if ((size_t)(end - at) < start + size)
            break;
        if ((at[0] & 15) == 8) {
            leave(fd);
            return;
        }
        if ((at[0] & 15) == 1)
            say(client, at + start - 4, at + start, size);
        at += start + size;
    }
    if (at < end && end - at <= KEPT) {
        client->ahead = client->ahead ? client->ahead : malloc(KEPT);
        client->kept = end - at;
        memcpy(client->ahead, at, client->kept);
    }
}

int main(void) {
    const char *port = getenv("PORT"), *log = getenv("FLOOR_LOG");
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), epoll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port ? atoi(port) : 8080)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    signal(SIGPIPE, SIG_IGN);
    if (log)
        open_log(log);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 2048)) {
        perror("floor");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, events[1024];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int count = epoll_wait(epoll, events, 1024, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd != listener) {
                hear(events[i].data.fd);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                if (fd >= DESCRIPTORS) {
                    close(fd);
                    continue;
                }
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                event.data.fd = fd;
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
            }
        }
        while (dirty_count)
            flush(&rooms[dirty[--dirty_count]]);
    }
}
