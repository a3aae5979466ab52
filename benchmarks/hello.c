/* A server that answers everything, for benchmarks/server_start.py: what a process costs by itself. */
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
int main(void) {
    static const char answer[] =
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello";
    static char request[1 << 20];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(getenv("PORT")))};
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) || listen(listener, 128)) return 1;
    for (;;) {
        int connection = accept(listener, 0, 0);
        if (read(connection, request, sizeof request) < 0) return 1;
        if (write(connection, answer, sizeof answer - 1) < 0) return 1;
        shutdown(connection, SHUT_WR);
        while (read(connection, request, sizeof request) > 0) {}
        close(connection);
    }
}
