/*
 * zones.d: containers start and end: each PID namespace with its first process.
 *
 * USAGE      dtrace -s zones.d
 *
 * EMITS      one line for each of these:
 *
 *     op=create …                 a namespace's first process was made; `execname`, `pid`, `command` are its maker's
 *     op=exec nr=1 …              that process executes a command: the first time, the zone has booted
 *     op=exec nr=N …              another process in the namespace does, and the first one never has: bubblewrap's waits for its
 *                                 children and executes nothing
 *     op=exit executed=1 …        the first process ends, and with it the zone
 *     op=exit executed=0 …        it ends without having executed anything: the boot has failed, unless another process had
 *
 *   timestamp, monotonic          nanoseconds since 1970; and by a clock that nobody sets, CLOCK_MONOTONIC
 *   zone_id                       inode number of the PID namespace, as in /proc/PID/ns/pid. The kernel uses it again for another
 *                                 namespace as soon as this one has gone
 *   level, parent_zone_id         1 for a namespace in the host's own, 2 for one in that; and the namespace that it is in
 *   init_pid, init_start          its first process, as the host sees it, and when that was made, in nanoseconds since the system's
 *                                 boot: with zone_id they name a zone for good
 *   execname, pid, nr, uid        who did it: command, process, the process' number in the namespace, real user as the host sees it
 *   hostname                      UTS nodename
 *   status                        of `exit`: as wait(2) gives it
 *   oom                           of `exit`: 1 if the kernel chose it when memory was short
 *   command                       arguments, with a blank between them; empty at `exit`
 *   own                           1 if its cgroups are other ones than its parent process'
 *   depth, cgroup                 how many names the path of the cgroup in the unified hierarchy has, and the last 8 of them
 *   v1_depth, v1_cgroup           the same of the deepest one among the controllers of cgroup v1, and the last 6
 *
 * CONTROL    prctl(0x44545243, 3, N) by the consumer makes the line `op=mark mark=N`, which comes after all that was recorded on
 *            that CPU before.
 *
 * NOT SEEN   containers that share the PID namespace of the host (docker run --pid=host) or of another container, and namespaces
 *            whose first process could not be made.
 *
 * RELIES ON  - sched_process_fork fires when the child has its pids and has not run yet, sched_process_exec when the new program
 *              with its arguments is in place, sched_process_exit for each thread, after it has been taken off signal->live.
 *            - PF_FORKNOEXEC (0x40 in task_struct.flags): set by fork, cleared by the first exec that succeeds.
 *            - struct pid: numbers[level] is its number in its own namespace. A namespace's child_reaper is its first process, or
 *              another thread of it when the first thread has ended.
 *            - struct cgroup begins with its cgroup_subsys_state, so self.parent is the parent cgroup too. (The parent of its kernfs
 *              node has got another name in kernel 6.15.)
 *            - the status of a process that exit_group(2) or a signal ended is the group's, else its leader's; and after
 *              reboot(2) in the namespace it is a signal, which the kernel sets later (pid_namespace.reboot).
 *
 * PITFALLS   - Clause-local variables keep the last firing's value: each is set before it is read, on every path.
 *            - Other threads of the first process end as well, and runc's do so while it executes: signal->live tells them apart.
 *              When two threads end at once both may find 0, so a reader passes over a second `exit`.
 *            - At sched_process_exit there may be no address space any more: no arguments.
 */
#pragma D option quiet
#pragma D option defaultargs
#pragma D option strsize=1024

syscall::prctl:entry
/pid == $pid && arg0 == 0x44545243 && arg1 == 3/
{
	printf("op=mark mark=%d\n", arg2);
}

rawtp:sched::sched_process_fork
{
	this->found = 0;
	this->task = (struct task_struct *)arg1;
	this->pid = this->task->thread_pid;
	this->level = this->pid->level;
	this->found = this->level > 0 && this->pid->numbers[this->level].nr == 1;
}

rawtp:sched::sched_process_fork
/this->found/
{
	this->ns = this->pid->numbers[this->level].ns;
	printf("op=create timestamp=%d monotonic=%d zone_id=%u level=%u parent_zone_id=%u init_pid=%d init_start=%d execname=%s pid=%d uid=%d command=%s\n",
	    walltimestamp, timestamp, this->ns->ns.inum, this->level, this->ns->parent->ns.inum,
	    this->task->tgid, this->task->start_boottime,
	    execname, pid, uid, execargs);
}

/* Which execs and exits are a zone's? */

rawtp:sched::sched_process_exec
{
	this->found = 0;
	this->op = 1;
	this->status = 0;
	this->oom = 0;
	this->pid = curthread->thread_pid;
	this->level = this->pid->level;
	this->ns = this->pid->numbers[this->level].ns;
	this->init = this->ns->child_reaper->group_leader;
	this->nr = this->pid->numbers[this->level].nr;
	this->found = this->level > 0 && (this->nr == 1 || (this->init->flags & 0x40) != 0);
}

rawtp:sched::sched_process_exit
{
	this->found = 0;
	this->op = 2;
	this->init = curthread->group_leader;
	this->pid = this->init->thread_pid;
	this->level = this->pid->level;
	this->nr = this->pid->numbers[this->level].nr;
	this->found = this->level > 0 && this->nr == 1 && curthread->signal->live.counter == 0;
}

/* SIGNAL_GROUP_EXIT is 4. */
rawtp:sched::sched_process_exit
/this->found/
{
	this->ns = this->pid->numbers[this->level].ns;
	this->signal = curthread->signal;
	this->status = this->ns->reboot != 0 ? this->ns->reboot
	    : (this->signal->flags & 4) != 0 ? this->signal->group_exit_code
	    : this->init->exit_code;
	this->oom = this->signal->oom_mm != NULL;
}

/* Its cgroups. */

rawtp:sched::sched_process_exec,
rawtp:sched::sched_process_exit
/this->found/
{
	this->css = curthread->cgroups;
	this->g0 = this->css->dfl_cgrp;
	this->root = this->g0->root;
	this->depth = this->g0->level;
	this->g1 = this->depth > 1 ? (struct cgroup *)this->g0->self.parent : this->g0;
	this->g2 = this->depth > 2 ? (struct cgroup *)this->g1->self.parent : this->g1;
	this->g3 = this->depth > 3 ? (struct cgroup *)this->g2->self.parent : this->g2;
	this->g4 = this->depth > 4 ? (struct cgroup *)this->g3->self.parent : this->g3;
	this->g5 = this->depth > 5 ? (struct cgroup *)this->g4->self.parent : this->g4;
	this->g6 = this->depth > 6 ? (struct cgroup *)this->g5->self.parent : this->g5;
	this->g7 = this->depth > 7 ? (struct cgroup *)this->g6->self.parent : this->g6;
}

/* There are as many controllers as the kernel was built with. The deepest of those that are not in the unified hierarchy: */

rawtp:sched::sched_process_exec,
rawtp:sched::sched_process_exit
/this->found/
{
	this->count = sizeof (this->css->subsys) / sizeof (this->css->subsys[0]);
	this->controllers = (struct cgroup_subsys_state **)&this->css->subsys[0];
	this->v0 = this->g0;
	this->v1_depth = 0;
	this->state = this->count > 0 ? this->controllers[0] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 1 ? this->controllers[1] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 2 ? this->controllers[2] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 3 ? this->controllers[3] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 4 ? this->controllers[4] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 5 ? this->controllers[5] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 6 ? this->controllers[6] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 7 ? this->controllers[7] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 8 ? this->controllers[8] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 9 ? this->controllers[9] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 10 ? this->controllers[10] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 11 ? this->controllers[11] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 12 ? this->controllers[12] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->state = this->count > 13 ? this->controllers[13] : NULL;
	this->at = this->state != NULL ? this->state->cgroup : this->g0;
	this->v0 = this->at->root != this->root && this->at->level > this->v1_depth ? this->at : this->v0;
	this->v1_depth = this->v0->root != this->root ? this->v0->level : 0;
	this->v1 = this->v1_depth > 1 ? (struct cgroup *)this->v0->self.parent : this->v0;
	this->v2 = this->v1_depth > 2 ? (struct cgroup *)this->v1->self.parent : this->v1;
	this->v3 = this->v1_depth > 3 ? (struct cgroup *)this->v2->self.parent : this->v2;
	this->v4 = this->v1_depth > 4 ? (struct cgroup *)this->v3->self.parent : this->v3;
	this->v5 = this->v1_depth > 5 ? (struct cgroup *)this->v4->self.parent : this->v4;
}

rawtp:sched::sched_process_exec,
rawtp:sched::sched_process_exit
/this->found/
{
	printf("op=%s executed=%d timestamp=%d monotonic=%d zone_id=%u level=%u parent_zone_id=%u init_pid=%d init_start=%d execname=%s pid=%d nr=%d uid=%d hostname=%s status=%d oom=%d command=%s own=%d depth=%d cgroup=%s%s%s%s%s%s%s%s v1_depth=%d v1_cgroup=%s%s%s%s%s%s\n",
	    this->op == 1 ? "exec" : "exit", (this->init->flags & 0x40) == 0,
	    walltimestamp, timestamp, this->ns->ns.inum, this->level, this->ns->parent->ns.inum,
	    this->init->tgid, this->init->start_boottime,
	    execname, pid, this->nr, uid,
	    stringof(curthread->nsproxy->uts_ns->name.nodename),
	    this->status, this->oom, this->op == 1 ? execargs : "",
	    curthread->real_parent->cgroups != this->css,
	    this->depth,
	    this->depth > 7 ? strjoin("/", stringof(this->g7->kn->name)) : "",
	    this->depth > 6 ? strjoin("/", stringof(this->g6->kn->name)) : "",
	    this->depth > 5 ? strjoin("/", stringof(this->g5->kn->name)) : "",
	    this->depth > 4 ? strjoin("/", stringof(this->g4->kn->name)) : "",
	    this->depth > 3 ? strjoin("/", stringof(this->g3->kn->name)) : "",
	    this->depth > 2 ? strjoin("/", stringof(this->g2->kn->name)) : "",
	    this->depth > 1 ? strjoin("/", stringof(this->g1->kn->name)) : "",
	    this->depth > 0 ? strjoin("/", stringof(this->g0->kn->name)) : "",
	    this->v1_depth,
	    this->v1_depth > 5 ? strjoin("/", stringof(this->v5->kn->name)) : "",
	    this->v1_depth > 4 ? strjoin("/", stringof(this->v4->kn->name)) : "",
	    this->v1_depth > 3 ? strjoin("/", stringof(this->v3->kn->name)) : "",
	    this->v1_depth > 2 ? strjoin("/", stringof(this->v2->kn->name)) : "",
	    this->v1_depth > 1 ? strjoin("/", stringof(this->v1->kn->name)) : "",
	    this->v1_depth > 0 ? strjoin("/", stringof(this->v0->kn->name)) : "");
}
