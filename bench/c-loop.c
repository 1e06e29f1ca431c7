/*
 * c-loop NAME NAME: joins two TAP devices in the simplest way, for comparison with vethd's data plane.
 *
 * One thread for each direction: poll, one read, one write. The devices are created in the current network namespace,
 * with a vnet header of 12 bytes and all offloads, and may be moved afterwards. Prints "ready"; ends on a signal, or when
 * either device is deleted. It counts nothing and ignores MTU and carrier.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/if.h>
#include <linux/if_tun.h>

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { VNET_HDR = 12, LONGEST_FRAME = 65536 + 18 };

struct lane {
	int from, to;
};

static void fail(const char *doing, const char *name)
{
	fprintf(stderr, "c-loop: %s %s: %s\n", doing, name, strerror(errno));
	exit(1);
}

static int open_tap(const char *name)
{
	struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL)};
	int header = VNET_HDR;
	unsigned offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fail("opening", "/dev/net/tun");
	strncpy(request.ifr_name, name, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		fail("making", name);
	if (ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 || ioctl(fd, TUNSETOFFLOAD, offloads) < 0)
		fail("setting up", name);
	return fd;
}

/* A write fails with EIO if the receiving device is down. The frame is lost then, as in any relay. */
static void *run_lane(void *argument)
{
	struct lane lane = *(struct lane *)argument;
	struct pollfd readable = {.fd = lane.from, .events = POLLIN};
	char *buffer = malloc(VNET_HDR + LONGEST_FRAME);

	if (!buffer)
		fail("allocating", "a buffer");
	while (poll(&readable, 1, -1) == 1) {
		ssize_t length = read(lane.from, buffer, VNET_HDR + LONGEST_FRAME);

		if (length < 0)
			break;
		if (write(lane.to, buffer, (size_t)length) < 0 && errno != EIO)
			break;
	}
	exit(0);
}

int main(int argc, char **argv)
{
	pthread_t back;

	if (argc != 3) {
		fprintf(stderr, "usage: c-loop NAME NAME\n");
		return 2;
	}
	struct lane forth = {.from = open_tap(argv[1]), .to = open_tap(argv[2])};
	struct lane other = {.from = forth.to, .to = forth.from};

	if (pthread_create(&back, NULL, run_lane, &other) != 0)
		fail("starting", "a thread");
	puts("ready");
	fflush(stdout);
	run_lane(&forth);
}
