/*
 * zones.d: zones boot and shut down.
 *
 * USAGE      dtrace -s zones.d
 *
 * EMITS      one line for each success; a zone_boot() or zone_shutdown() that fails says nothing:
 *
 *     op=boot …                     the zone runs: its init has been started
 *     op=shutdown …                 all its processes have ended
 *
 *   timestamp, monotonic            nanoseconds since 1970; and by a clock that nobody sets
 *   zone_id, zone_name              the number that the zone has until it is halted, and its name
 *   runtime                         zone
 *   hostname                        its nodename
 *   execname, uid                   who booted or halted it, which is zoneadmd, and that process' real user
 *
 * NOT SEEN   zones that are ready and never booted (their halt is seen), and a zone_shutdown(2) that a signal interrupted when the
 *            zone was down already.
 *
 * RELIES ON  usr/src/uts/common/os/zone.c of illumos-gate:
 *            - zone_boot() and zone_shutdown() carry out zone(2) with ZONE_BOOT and ZONE_SHUTDOWN. Both wait until it is done and return
 *              0, or what set_errno() returns: the error's number.
 *            - either calls zone_hold() on the zone that it has found; zone_shutdown() does not when the zone is down already, so a
 *              second one for the same zone says nothing.
 *            - the kernel is compiled without inlining, so that fbt has these functions.
 *
 * PITFALLS   - the zone may be freed by the time that they return: what is printed is taken at zone_hold().
 *            - other zones may be held on the way: only the first one with the number asked for counts.
 *            - Thread-local variables last as long as the thread: they are cleared on every path, in failure too.
 *
 * This script was written after illumos-gate's sources. It has not been run.
 */
#pragma D option quiet
#pragma D option defaultargs
#pragma D option temporal

fbt::zone_boot:entry,
fbt::zone_shutdown:entry
{
	self->calls = 1;
	self->held = 0;
	self->zone_id = (int)arg0;
}

fbt::zone_hold:entry
/self->calls && !self->held && args[0]->zone_id == self->zone_id/
{
	self->held = 1;
	self->zone_name = stringof(args[0]->zone_name);
	self->hostname = stringof(args[0]->zone_nodename);
}

fbt::zone_boot:return,
fbt::zone_shutdown:return
/self->held && arg1 == 0/
{
	printf("op=%s timestamp=%d monotonic=%d zone_id=%d zone_name=%s runtime=%s hostname=%s execname=%s uid=%d\n",
	    probefunc == "zone_boot" ? "boot" : "shutdown", walltimestamp, timestamp,
	    self->zone_id, self->zone_name, "zone", self->hostname, execname, uid);
}

fbt::zone_boot:return,
fbt::zone_shutdown:return
{
	self->calls = 0;
	self->held = 0;
	self->zone_id = 0;
	self->zone_name = 0;
	self->hostname = 0;
}
