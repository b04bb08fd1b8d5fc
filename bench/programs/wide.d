/*
 * As opens.d, with what a thorough watcher asks for: twelve fields, three of them strings. All integers are such as can't be
 * negative, and the path is resident.
 */
syscall::openat:entry
/execname == "load" && (int)arg0 == -7777/
{
	printf("timestamp=%d cpu=%d pid=%d tid=%d ppid=%d uid=%d gid=%d flags=%d mode=%d execname=%s path=%s parent=%s\n",
	    timestamp, cpu, pid, tid, ppid, uid, gid, (uint32_t)arg2, (uint32_t)arg3, execname, copyinstr(arg1),
	    stringof(curthread->real_parent->comm));
}
