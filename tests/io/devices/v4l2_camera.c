/* A USB camera that is not there: loaded before the C library, it answers the V4L2 calls for /dev/video99.

   320 x 240 BGR24 at 50 frames per second whatever is asked; the third byte of each pixel counts the frames;
   stamps on the monotonic clock. Exposure can be set; gain says it can and stays at 16. The file named by
   V4L2_CAMERA_CONTROL holds words that make it misbehave: "mute" (no frame comes), "gone" (unplugged),
   "wallclock" (stamps on another clock). */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 320, HEIGHT = 240, SIZE = WIDTH * HEIGHT * 3, SLOT = (SIZE + 4095) / 4096 * 4096, BUFFERS = 4 };
static const char device[] = "/dev/video99";
static const double period = 0.02;
static int camera = -1, exposure = 157, frames, queue[BUFFERS], queued;
static double due;

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void pause_for(double time) {
    struct timespec span = {(time_t)time, (long)((time - (time_t)time) * 1e9)};
    nanosleep(&span, NULL);
}

static int told_to(const char *word) {
    char words[256] = "";
    const char *path = getenv("V4L2_CAMERA_CONTROL");
    FILE *file = path ? fopen(path, "r") : NULL;
    if (!file) return 0;
    words[fread(words, 1, sizeof words - 1, file)] = 0;
    fclose(file);
    return strstr(words, word) != NULL;
}

static int open_camera(void) {
    camera = memfd_create("v4l2-camera", MFD_CLOEXEC);
    if (ftruncate(camera, (off_t)BUFFERS * SLOT)) return -1;
    due = seconds(CLOCK_MONOTONIC) + period;
    queued = 0;
    return camera;
}

static int take_frame(struct v4l2_buffer *buffer) {
    double now = seconds(CLOCK_MONOTONIC), at = told_to("wallclock") ? seconds(CLOCK_REALTIME) : due;
    if (told_to("gone")) return errno = ENODEV, -1;
    if (told_to("mute") || now < due || !queued) return errno = EAGAIN, -1;
    buffer->index = queue[0];
    memmove(queue, queue + 1, --queued * sizeof *queue);
    unsigned char *image = mmap(NULL, SLOT, PROT_WRITE, MAP_SHARED, camera, (off_t)buffer->index * SLOT);
    for (int i = 0; i < SIZE; i += 3) image[i] = 30, image[i + 1] = 100, image[i + 2] = frames % 200;
    munmap(image, SLOT);
    buffer->bytesused = SIZE, buffer->length = SLOT;
    buffer->sequence = frames++;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    buffer->timestamp.tv_sec = (time_t)at;
    buffer->timestamp.tv_usec = (long)((at - (time_t)at) * 1e6);
    while (due <= now) due += period;
    return 0;
}

static int control(unsigned long request, struct v4l2_control *value) {
    if (value->id != V4L2_CID_EXPOSURE_ABSOLUTE && value->id != V4L2_CID_GAIN) return errno = EINVAL, -1;
    if (request == VIDIOC_G_CTRL) value->value = value->id == V4L2_CID_GAIN ? 16 : exposure;
    else if (value->id == V4L2_CID_EXPOSURE_ABSOLUTE) exposure = value->value;
    return 0;
}

static int answer(unsigned long request, void *argument) {
    struct v4l2_capability *capability = argument;
    struct v4l2_format *format = argument;
    struct v4l2_streamparm *rate = argument;
    struct v4l2_buffer *buffer = argument;
    struct v4l2_queryctrl *query = argument;
    switch (request) {
    case VIDIOC_QUERYCAP:
        memset(capability, 0, sizeof *capability);
        strcpy((char *)capability->driver, "none");
        capability->capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    case VIDIOC_G_INPUT: case VIDIOC_S_INPUT: *(int *)argument = 0; return 0;
    case VIDIOC_ENUMINPUT: case VIDIOC_STREAMON: case VIDIOC_STREAMOFF: return 0;
    case VIDIOC_G_FMT: case VIDIOC_S_FMT: case VIDIOC_TRY_FMT:
        format->fmt.pix.width = WIDTH;
        format->fmt.pix.height = HEIGHT;
        format->fmt.pix.pixelformat = V4L2_PIX_FMT_BGR24;
        format->fmt.pix.bytesperline = WIDTH * 3;
        format->fmt.pix.sizeimage = SIZE;
        format->fmt.pix.field = V4L2_FIELD_NONE;
        return 0;
    case VIDIOC_G_PARM: case VIDIOC_S_PARM:
        rate->parm.capture.timeperframe.numerator = 1;
        rate->parm.capture.timeperframe.denominator = 50;
        return 0;
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *wanted = argument;
        wanted->count = wanted->count > BUFFERS ? BUFFERS : wanted->count;
        queued = 0;
        return 0;
    }
    case VIDIOC_QUERYBUF: buffer->length = SLOT; buffer->m.offset = buffer->index * SLOT; return 0;
    case VIDIOC_QBUF: if (queued < BUFFERS) queue[queued++] = buffer->index; return 0;
    case VIDIOC_DQBUF: return take_frame(buffer);
    case VIDIOC_QUERYCTRL:
        if (query->id != V4L2_CID_EXPOSURE_ABSOLUTE && query->id != V4L2_CID_GAIN) return errno = EINVAL, -1;
        query->type = V4L2_CTRL_TYPE_INTEGER;
        query->minimum = 0, query->maximum = 1000, query->step = 1, query->flags = 0;
        return 0;
    case VIDIOC_G_CTRL: case VIDIOC_S_CTRL: return control(request, argument);
    default: return errno = EINVAL, -1;
    }
}

int ioctl(int file, unsigned long request, ...) {
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (file == camera && camera >= 0) return answer((unsigned int)request, argument);
    int (*next)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
    return next(file, request, argument);
}

int select(int most, fd_set *in, fd_set *out, fd_set *bad, struct timeval *limit) {
    if (camera >= 0 && in && FD_ISSET(camera, in)) {
        double most_s = limit ? limit->tv_sec + limit->tv_usec / 1e6 : 10, wait = due - seconds(CLOCK_MONOTONIC);
        if (told_to("mute")) return pause_for(most_s), 0;
        if (wait > 0) pause_for(wait);
        return 1;
    }
    int (*next)(int, fd_set *, fd_set *, fd_set *, struct timeval *) = dlsym(RTLD_NEXT, "select");
    return next(most, in, out, bad, limit);
}

int poll(struct pollfd *files, nfds_t count, int limit_ms) {
    if (camera >= 0 && count == 1 && files[0].fd == camera) {
        double most_s = limit_ms < 0 ? 10 : limit_ms / 1e3, wait = due - seconds(CLOCK_MONOTONIC);
        files[0].revents = POLLERR;
        if (told_to("gone")) return 1;
        files[0].revents = 0;
        if (told_to("mute") || wait > most_s) return pause_for(most_s), 0;
        if (wait > 0) pause_for(wait);
        files[0].revents = POLLIN | POLLRDNORM;
        return 1;
    }
    int (*next)(struct pollfd *, nfds_t, int) = dlsym(RTLD_NEXT, "poll");
    return next(files, count, limit_ms);
}

static int open_any(const char *path, int flags, mode_t mode, const char *name) {
    if (!strcmp(path, device)) return open_camera();
    int (*next)(const char *, int, mode_t) = dlsym(RTLD_NEXT, name);
    return next(path, flags, mode);
}

int open(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_any(path, flags, mode, "open");
}

int open64(const char *path, int flags, ...) {
    va_list list;
    va_start(list, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(list, mode_t) : 0;
    va_end(list);
    return open_any(path, flags, mode, "open64");
}

int access(const char *path, int mode) {
    if (!strcmp(path, device)) return 0;
    int (*next)(const char *, int) = dlsym(RTLD_NEXT, "access");
    return next(path, mode);
}

static int stat_any(const char *path, void *found, const char *name) {
    int (*next)(const char *, void *) = dlsym(RTLD_NEXT, name);
    return next(strcmp(path, device) ? path : "/dev/null", found);
}

int stat(const char *path, struct stat *found) { return stat_any(path, found, "stat"); }
int stat64(const char *path, struct stat64 *found) { return stat_any(path, found, "stat64"); }
