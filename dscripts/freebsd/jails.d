/*
 * jails.d: jails are made and go.
 *
 * USAGE      dtrace -s jails.d
 *
 * EMITS      one line for each of these:
 *
 *     op=boot …                       a jail was made
 *     op=failed …                     it could not be made to the end
 *     op=shutdown …                   it dies: it was removed, or its last process has ended and it is not persistent
 *
 *   timestamp, monotonic              nanoseconds since 1970; and by a clock that nobody sets
 *   zone_id, zone_name                jid and name
 *   runtime                           jail
 *   hostname                          its host.hostname
 *   parent_zone_id                    jid of the jail that it is in, 0 for the system itself
 *   execname, uid                     who did it: jail, jexec, or the process that ended; and that one's real user
 *
 * NOT SEEN   the commands that jail(8) runs in a jail: a jail has no init. Its `boot` is its making, before exec.start.
 *
 * RELIES ON  sys/kern/kern_jail.c and sys/kern/kern_osd.c of freebsd-src:
 *            - kern_jail_set() carries out jail_set(2) and jail(2); it returns 0 or an error's number.
 *            - what keeps data for jails is told by osd_call(OSD_JAIL, method, prison, …): of a new one with PR_METHOD_CREATE, and once
 *              when it begins to die with PR_METHOD_REMOVE, however that comes about; also when making it fails after that.
 *            - osd_call() is in a file of its own, so it is never inlined; those of kern_jail.c that make and end jails are static.
 *            - OSD_JAIL is 1 (sys/osd.h), PR_METHOD_CREATE 0 and PR_METHOD_REMOVE 5 (sys/jail.h).
 *
 * PITFALLS   - Thread-local variables last as long as the thread: they are cleared on every path, in failure too.
 *            - At its CREATE a jail may lack its last parameters: it is described when kern_jail_set() returns.
 *
 * This script was written after freebsd-src's sources. It has not been run.
 */
#pragma D option quiet
#pragma D option defaultargs
#pragma D option temporal

fbt::kern_jail_set:entry
{
	self->made = 0;
	self->jail = (struct prison *)NULL;
}

fbt::osd_call:entry
/arg0 == 1 && arg1 == 0/
{
	self->made = 1;
	self->jail = (struct prison *)arg2;
}

/* Within jail_set(2), the jail that is being made: that has failed. */
fbt::osd_call:entry
/arg0 == 1 && arg1 == 5/
{
	this->jail = (struct prison *)arg2;
	printf("op=%s timestamp=%d monotonic=%d zone_id=%d zone_name=%s runtime=%s hostname=%s parent_zone_id=%d execname=%s uid=%d\n",
	    self->made && self->jail == this->jail ? "failed" : "shutdown", walltimestamp, timestamp,
	    this->jail->pr_id, stringof(this->jail->pr_name), "jail", stringof(this->jail->pr_hostname),
	    this->jail->pr_parent->pr_id, execname, uid);
}

fbt::kern_jail_set:return
/self->made && arg1 == 0/
{
	printf("op=%s timestamp=%d monotonic=%d zone_id=%d zone_name=%s runtime=%s hostname=%s parent_zone_id=%d execname=%s uid=%d\n",
	    "boot", walltimestamp, timestamp,
	    self->jail->pr_id, stringof(self->jail->pr_name), "jail", stringof(self->jail->pr_hostname),
	    self->jail->pr_parent->pr_id, execname, uid);
}

fbt::kern_jail_set:return
{
	self->made = 0;
	self->jail = (struct prison *)NULL;
}
