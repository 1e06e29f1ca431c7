/*
 * traffic: the senders and receivers of all benchmarks but TCP throughput, for which iperf3 is used.
 *
 *   traffic sink PORT                                 receives UDP and checks each datagram's payload
 *   traffic flood ADDRESS PORT SIZE RATE SECONDS      sends RATE UDP datagrams per second (0: as fast as possible)
 *   traffic serve PORT                                echo server over TCP and UDP for the two clients below
 *   traffic round-trip tcp|udp ADDRESS PORT SECONDS   sends one byte and waits for the echo, repeatedly
 *   traffic connect ADDRESS PORT SECONDS              connects, sends a byte, waits for the echo, closes, repeatedly
 *
 * Clients print one line of numbers at the end; servers print "ready". The usual tools do not fit:
 *
 *   iperf3     uses one system call for each datagram, so the sender is the limit (147 k/s; sendmmsg 197 k/s, on the
 *              same CPU over veth). It paces in bursts of a millisecond.
 *   sockperf   takes 3.2 s for half a second of round trips.
 *   qperf      hangs if a datagram is lost.
 *
 * The number of datagrams that arrived is taken from the kernel's counters, not from here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, LONGEST = 1472, ANSWER_MS = 20, NS = 1000000000 };

static void fail(const char *doing)
{
	fprintf(stderr, "traffic: %s: %s\n", doing, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / NS;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		fail(host);
	return to;
}

static int bound(int type, const char *port)
{
	struct sockaddr_in any = address("0.0.0.0", port);
	int fd = socket(AF_INET, type, 0), yes = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(fd, (struct sockaddr *)&any, sizeof any) < 0)
		fail("binding");
	return fd;
}

static int connected(int type, struct sockaddr_in to)
{
	int fd = socket(AF_INET, type, 0), yes = 1;

	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		fail("connecting");
	return fd;
}

/* --- UDP at a rate ---------------------------------------------------------------------------------------------- */

/* All words of a datagram follow from the first, so that the receiver can check a datagram without any other. */
static void fill(uint64_t *words, size_t size, uint64_t first)
{
	for (size_t i = 0; i < size / sizeof *words; i++)
		words[i] = first + i * UINT64_C(0x9e3779b97f4a7c15);
}

static void sink(const char *port)
{
	static uint64_t received[BATCH][LONGEST / 8], expected[LONGEST / 8];
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
	int fd = bound(SOCK_DGRAM, port);

	for (int i = 0; i < BATCH; i++) {
		pieces[i] = (struct iovec){received[i], sizeof received[i]};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
	}
	puts("ready");
	fflush(stdout);
	for (;;) {
		int count = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		if (count < 0)
			fail("receiving");
		for (int i = 0; i < count; i++) {
			fill(expected, messages[i].msg_len, received[i][0]);
			if (memcmp(expected, received[i], messages[i].msg_len) != 0) {
				printf("damaged: a datagram of %u bytes\n", messages[i].msg_len);
				fflush(stdout);
			}
		}
	}
}

/* Prints the number of datagrams sent and the seconds it took. Sleeps about 20 us between bursts. */
static void flood(struct sockaddr_in to, size_t size, double rate, double seconds)
{
	static uint64_t payload[BATCH][LONGEST / 8];
	struct mmsghdr messages[BATCH];
	struct iovec pieces[BATCH];
	struct timespec pause = {.tv_nsec = 20000};
	int fd = connected(SOCK_DGRAM, to);
	uint64_t sent = 0;
	double begun = now(), elapsed;

	prctl(PR_SET_TIMERSLACK, 1UL);
	while ((elapsed = now() - begun) < seconds) {
		uint64_t due = rate > 0 ? (uint64_t)(rate * elapsed) - sent : BATCH;
		unsigned count = due < BATCH ? (unsigned)due : BATCH;

		if (count == 0) {
			nanosleep(&pause, NULL);
			continue;
		}
		for (unsigned i = 0; i < count; i++) {
			fill(payload[i], size, sent + i);
			pieces[i] = (struct iovec){payload[i], size};
			messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &pieces[i], .msg_iovlen = 1}};
		}
		int done = sendmmsg(fd, messages, count, 0);

		if (done < 0)
			fail("sending");
		sent += (uint64_t)done;
	}
	printf("%llu %.6f\n", (unsigned long long)sent, elapsed);
}

/* --- round trips and connections -------------------------------------------------------------------------------- */

/* Echoes over UDP and over up to BATCH - 2 TCP connections at a time. */
static void serve(const char *port)
{
	struct pollfd ends[BATCH] = {{.fd = bound(SOCK_STREAM, port), .events = POLLIN},
				     {.fd = bound(SOCK_DGRAM, port), .events = POLLIN}};
	nfds_t count = 2;

	if (listen(ends[0].fd, 1024) < 0)
		fail("listening");
	puts("ready");
	fflush(stdout);
	while (poll(ends, count, -1) > 0) {
		if (ends[0].revents && count < BATCH) {
			int yes = 1, fd = accept(ends[0].fd, NULL, NULL);

			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
			ends[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
		}
		for (nfds_t i = 1; i < count; i++) {
			struct sockaddr_in from;
			socklen_t length = sizeof from;
			char byte;

			if (!ends[i].revents)
				continue;
			if (recvfrom(ends[i].fd, &byte, 1, 0, (struct sockaddr *)&from, &length) == 1) {
				sendto(ends[i].fd, &byte, 1, MSG_NOSIGNAL, i == 1 ? (struct sockaddr *)&from : NULL,
				       i == 1 ? length : 0);
			} else if (i > 1) {
				close(ends[i].fd);
				ends[i--] = ends[--count];
			}
		}
	}
}

static int by_size(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Sends one byte and waits for the echo: the seconds it took; -1 if none came within `patience` milliseconds. */
static double trip(int fd, char byte, int patience)
{
	struct pollfd answer = {.fd = fd, .events = POLLIN};
	double begun = now();
	char back;

	if (send(fd, &byte, 1, 0) != 1)
		fail("sending");
	do {
		if (poll(&answer, 1, patience) == 0)
			return -1;
		if (recv(fd, &back, 1, 0) != 1)
			fail("receiving");
	} while (back != byte); /* else it is the late echo of an earlier trip */
	return now() - begun;
}

/* Prints the number of trips, their median and 99th percentile in microseconds, and the number of lost ones. */
static void round_trip(int type, struct sockaddr_in to, double seconds)
{
	size_t room = 1 << 20, count = 0, lost = 0;
	double *trips = malloc(room * sizeof *trips), begun = now();
	int fd = connected(type, to);

	for (char byte = 0; now() - begun < seconds && count < room; byte++) {
		double took = trip(fd, byte, type == SOCK_DGRAM ? ANSWER_MS : -1);

		if (took >= 0)
			trips[count++] = took;
		else
			lost++;
	}
	qsort(trips, count, sizeof *trips, by_size);
	if (count > 0)
		printf("%zu %.3f %.3f %zu\n", count, trips[count / 2] * 1e6, trips[count * 99 / 100] * 1e6, lost);
}

/* Prints the number of connections and the seconds they took. */
static void connections(struct sockaddr_in to, double seconds)
{
	double begun = now(), elapsed;
	uint64_t count = 0;

	while ((elapsed = now() - begun) < seconds) {
		int fd = connected(SOCK_STREAM, to);
		char byte = 1;

		if (send(fd, &byte, 1, 0) != 1 || recv(fd, &byte, 1, 0) != 1)
			fail("asking");
		close(fd);
		count++;
	}
	printf("%llu %.6f\n", (unsigned long long)count, elapsed);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && strcmp(what, "sink") == 0)
		sink(argv[2]);
	else if (argc == 7 && strcmp(what, "flood") == 0 && atoi(argv[4]) <= LONGEST)
		flood(address(argv[2], argv[3]), (size_t)atoi(argv[4]), atof(argv[5]), atof(argv[6]));
	else if (argc == 3 && strcmp(what, "serve") == 0)
		serve(argv[2]);
	else if (argc == 6 && strcmp(what, "round-trip") == 0)
		round_trip(strcmp(argv[2], "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM, address(argv[3], argv[4]),
			   atof(argv[5]));
	else if (argc == 5 && strcmp(what, "connect") == 0)
		connections(address(argv[2], argv[3]), atof(argv[4]));
	else
		return fputs("usage: see the head of bench/traffic.c\n", stderr), 2;
	return 0;
}
