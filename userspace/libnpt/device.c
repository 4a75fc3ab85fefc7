// SPDX-License-Identifier: GPL-2.0
/* Opening a backend and asking what it can do. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libnpt_priv.h"

#ifndef NPT_LIB_VERSION
#define NPT_LIB_VERSION "0.1"
#endif

const char *npt_version(void)
{
	return NPT_LIB_VERSION;
}

/* ENOTTY or a strange answer: @path is no /dev/npt of a version that we know. */
static int device_probe(struct npt_device *dev, const char *path)
{
	struct npt_caps caps = { .size = sizeof(caps) };
	int ret = dev->be->caps(dev, &caps);

	if (ret)
		return npt_set_errno(ret == -EINVAL ? -ENOTTY : ret, "%s is not npt's device",
				     path);
	if (caps.abi_version < NPT_ABI_VERSION)
		return npt_set_error(-EPROTO,
				     "%s: its ABI has version %u, this library needs %u or later",
				     path, caps.abi_version, NPT_ABI_VERSION);
	return 0;
}

int npt_device_open(const char *path, struct npt_device **out)
{
	struct npt_device *dev = calloc(1, sizeof(*dev));
	int ret;

	if (!dev)
		return npt_set_error(-ENOMEM, "no memory for a device");
	if (!path)
		path = NPT_DEVICE_PATH;
	dev->be = &npt_backend_module;
	dev->fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0) {
		ret = npt_set_errno(-errno, "%s", path);
		free(dev);
		return ret;
	}
	ret = device_probe(dev, path);
	if (ret) {
		close(dev->fd);
		free(dev);
		return ret;
	}
	*out = dev;
	return 0;
}

int npt_device_open_kvm(const char *path, struct npt_device **out)
{
	struct npt_device *dev = calloc(1, sizeof(*dev));
	int ret, version;

	if (!dev)
		return npt_set_error(-ENOMEM, "no memory for a device");
	dev->be = &npt_backend_kvm;
	dev->fd = open(path, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0) {
		ret = npt_set_errno(-errno, "%s", path);
		free(dev);
		return ret;
	}
	version = ioctl(dev->fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		close(dev->fd);
		free(dev);
		if (version < 0)
			return npt_set_error(-ENOTTY, "%s does not take KVM's calls", path);
		return npt_set_error(-EPROTO, "%s: KVM's API has version %d, expected %d", path,
				     version, KVM_API_VERSION);
	}
	*out = dev;
	return 0;
}

int npt_device_open_inproc(struct npt_device **out)
{
	struct npt_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return npt_set_error(-ENOMEM, "no memory for a device");
	dev->be = &npt_backend_inproc;
	dev->fd = -1;
	*out = dev;
	return 0;
}

void npt_device_close(struct npt_device *dev)
{
	if (!dev)
		return;
	dev->be->close(dev);
	free(dev);
}

bool npt_device_is_inproc(const struct npt_device *dev)
{
	return dev->be == &npt_backend_inproc;
}

bool npt_device_is_kvm(const struct npt_device *dev)
{
	return dev->be == &npt_backend_kvm;
}

int npt_device_fd(const struct npt_device *dev)
{
	return dev->fd;
}

int npt_device_caps(struct npt_device *dev, struct npt_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	caps->size = sizeof(*caps);
	return npt_set_errno(dev->be->caps(dev, caps), "capabilities");
}
