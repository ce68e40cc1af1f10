/* clock.h: seconds that only go forward, to time a kernel without Python around it.  Included by the extension module,
 * behind Python.h, which asks for POSIX. */
#ifndef FASTNN_CLOCK_H
#define FASTNN_CLOCK_H

#ifdef _WIN32
#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#include <windows.h>
static double fnn_seconds(void)
{
    LARGE_INTEGER ticks, rate;
    QueryPerformanceFrequency(&rate);
    QueryPerformanceCounter(&ticks);
    return (double)ticks.QuadPart / (double)rate.QuadPart;
}
#else
#include <time.h>
static double fnn_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif

#endif
