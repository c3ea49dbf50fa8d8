/* A bare reader of one log stream: what any collector can reach at best.

   reader SOCKET TARGET COUNT: asks `GET TARGET HTTP/1.0` on a unix socket, walks over the frames
   and stops after COUNT of them or at the end. Prints
   frames, bytes, seconds since the request, CPU seconds, wall clock at the end in ns, and the
   time that Docker gave the first row. */

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HEADER 8
#define TIME 30
#define ROOM (1 << 18)

static char buffer[2 * ROOM];

static int64_t now(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static int ask(const char *path, const char *target) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return -1;
    char request[1024];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: docker\r\n\r\n", target);
    return write(fd, request, length) == length ? fd : -1;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    long count = atol(argv[3]), frames = 0;
    int64_t begun = now(CLOCK_MONOTONIC), bytes = 0;
    char first[TIME + 1] = "-";
    int fd = ask(argv[1], argv[2]), head = 1;
    size_t held = 0;
    ssize_t got;
    if (fd < 0) { perror(argv[1]); return 1; }
    while (frames < count && (got = read(fd, buffer + held, ROOM)) > 0) {
        char *at = buffer, *end = buffer + held + got;
        bytes += got;
        if (head) {
            char *body = memmem(buffer, end - buffer, "\r\n\r\n", 4);
            if (body) { at = body + 4; head = 0; }
        }
        while (!head && frames < count && end - at >= HEADER) {
            uint32_t size;
            memcpy(&size, at + 4, 4);
            size = ntohl(size);
            if ((size_t)(end - at) < HEADER + size) break;
            if (!frames++) memcpy(first, at + HEADER, TIME);
            at += HEADER + size;
        }
        held = end - at;
        if (held >= ROOM) return 1;
        memmove(buffer, at, held);
    }
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec +
                 (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("%ld %lld %.6f %.6f %lld %s\n", frames, (long long)bytes,
           (now(CLOCK_MONOTONIC) - begun) / 1e9, cpu, (long long)now(CLOCK_REALTIME), first);
    return 0;
}
