"""For each language, code that prints two variables of its environment, and code that prints where it runs."""

READ = {
    "python": "import os; print(os.getenv('SHARED', 'none'), os.getenv('OTHER', 'none'))",
    "javascript": "console.log(process.env.SHARED ?? 'none', process.env.OTHER ?? 'none')",
    "typescript": "const seen: string[] = [process.env.SHARED ?? 'none', process.env.OTHER ?? 'none']; console.log(seen.join(' '))",
    "bash": "echo ${SHARED:-none} ${OTHER:-none}",
    "r": "cat(Sys.getenv('SHARED', 'none'), Sys.getenv('OTHER', 'none')); cat('\\n')",
    "java": 'var env = System.getenv(); System.out.println(env.getOrDefault("SHARED", "none") + " " + env.getOrDefault("OTHER", "none"));',
}
WHERE = {
    "python": "import os; print(os.getcwd())",
    "javascript": "console.log(process.cwd())",
    "typescript": "console.log(process.cwd() as string)",
    "bash": "pwd",
    "r": "cat(getwd(), '\\n', sep = '')",
    "java": 'System.out.println(System.getProperty("user.dir"));',
}


def printed(execution):
    assert execution.error is None, execution.error
    return "".join(execution.logs.stdout)
