/*
 * The load generator's lseek(-1, now, SEEK_SET): `sent` is CLOCK_MONOTONIC in nanoseconds, read just before the call.
 */
syscall::lseek:entry
/execname == "load" && (int)arg0 == -1/
{
	printf("sent=%d\n", (uint64_t)arg1);
}
