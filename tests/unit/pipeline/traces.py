"""What programs print when they fail; each is one record."""

from __future__ import annotations

from typing import Final

TRACES: Final = {
    "python": """\
Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
    run()
    ^^^^^
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/main.py", line 5, in <module>
    raise app.errors.Gone("no x") from None
app.errors.Gone: no x""",
    "python without a message": """\
2026-11-21 10:00:00 ERROR worker: Traceback (most recent call last):
  File "/app/main.py", line 3, in <module>
KeyboardInterrupt""",
    "python group": """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/main.py", line 3, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: a
    +------------------------------------""",
    "java": """\
Exception in thread "main" java.lang.RuntimeException: outer
\tat com.example.Main.main(Main.java:5)
Caused by: java.lang.IllegalStateException: inner
\tat com.example.Main.run(Main.java:9)
\t... 1 more""",
    "java in a line of a logger": """\
2026-11-21 10:00:00.123 ERROR 1 --- [main] c.e.Main : java.lang.IllegalStateException: no
\tat com.example.Main.run(Main.java:9)
\tSuppressed: java.io.IOException: closed
\t\tat com.example.Main.close(Main.java:12)""",
    "node": """\
/app/index.js:3
  throw new TypeError("x is not a function")
  ^

TypeError: x is not a function
    at Object.<anonymous> (/app/index.js:3:9)
    at node:internal/main/run_main_module:28:49 {
  code: 'E_X'
}

Node.js v20.11.0""",
    "node, caught": """\
Error: connect ECONNREFUSED 127.0.0.1:5432
    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)""",
    "go": """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.main()
\t/tmp/main.go:8 +0x1d
exit status 2""",
    "go, fatal": """\
fatal error: all goroutines are asleep - deadlock!

goroutine 1 [chan receive]:
main.main()
\t/tmp/main.go:5 +0x25
created by main.start in goroutine 1
\t/tmp/main.go:3 +0x1b""",
    "rust": """\
thread 'main' panicked at src/main.rs:2:5:
index out of bounds: the len is 3 but the index is 5
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace""",
    "rust with a backtrace": """\
thread 'main' panicked at 'boom', src/main.rs:2:5
stack backtrace:
   0: rust_begin_unwind
             at /rustc/1/library/std/src/panicking.rs:575:5
   1: app::main""",
    ".net": """\
Unhandled exception. System.InvalidOperationException: outer
 ---> System.ArgumentException: inner
   at App.Run() in /src/App.cs:line 4
   --- End of inner exception stack trace ---
   at App.Main() in /src/App.cs:line 9""",
    "ruby": """\
app.rb:2:in `run': boom (RuntimeError)
\tfrom app.rb:5:in `<main>'""",
    "php": """\
PHP Fatal error:  Uncaught Exception: boom in /app/index.php:3
Stack trace:
#0 /app/index.php(7): run()
#1 {main}
  thrown in /app/index.php on line 3""",
    "a block": """\
{
  "a": 1,
  "b": [2]
}""",
    "a block under a head": "loaded settings:\n  port: 80\n  host: web",
}
