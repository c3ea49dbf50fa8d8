import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.pipeline.level import level_from, level_of
from towline.record import LEVELS

LINES = {
    "trace": [
        "[10:22:47 VRB] Executing endpoint",
        "trce: Microsoft.AspNetCore.Routing[1]",
        "2026-11-21T10:22:47.123456Z TRACE hyper::proto: flushed 120 bytes",
        "FINEST: entering method",
        'level=trace msg="tick"',
    ],
    "debug": [
        "2026-11-21 10:22:47.123 DEBUG (MainThread) [homeassistant.core] Bus:Handling <Event>",
        "dbug: Microsoft.Hosting.Lifetime[0]",
        "D, [2026-11-21T10:22:47.123456 #1] DEBUG -- : query took 3 ms",
        "[10:22:47][D][sensor:094]: 'Temperature': Sending state 21.5",
        "D (1234) wifi: state changed",
        "debug: cache miss",
        "[D] dump of state",
        "Sat Nov 21 10:22:47 2026 daemon.debug dnsmasq[1]: query",
    ],
    "info": [
        "2026-11-21 10:22:47.123 INFO (SyncWorker_1) [homeassistant.loader] Loaded mqtt",
        "\x1b[32m2026-11-21 10:22:47.123 INFO (MainThread) [supervisor.core] Starting\x1b[0m",
        "[10:22:47] INFO: Starting Mosquitto",
        "s6-rc: info: service legacy-services: starting",
        "/package/admin/s6-overlay/libexec/preinit: info: read-only root",
        "2026-11-21 10:22:47.123 UTC [1] LOG:  database system is ready",
        "2026/11/21 10:22:47 [notice] 1#1: start worker processes",
        "I1121 10:22:47.123456       1 leaderelection.go:258] became leader",
        "I261121 10:22:47.123456 1 server/node.go:4 node started",
        "2026-11-21T10:22:47.123Z\tINFO\tcontroller-runtime\tstarting",
        "2026-11-21T10:22:47.123Z\tinfo\tcontroller-runtime\tstarting",
        "ts=2026-11-21T10:22:47.123Z caller=main.go:1009 level=info msg=ready",
        'time=2026-11-21T10:22:47.123Z level=INFO source=main.go:1 msg="ready"',
        'logger=settings t=2026-11-21T10:22:47.123Z level=info msg="Starting Grafana"',
        "INFO [11-21|10:22:47.123] Imported new chain segment",
        "INFO:     Started server process [1]",
        "[2026-11-21 10:22:47 +0000] [1] [INFO] Starting gunicorn 21.2.0",
        "[2026-11-21 10:22:47,123: INFO/MainProcess] celery@host ready.",
        "2026-11-21 10:22:47,123 [myid:1] - INFO  [main:Q@1] - config",
        "[21-Nov-2026 10:22:47] NOTICE: fpm is running, pid 1",
        "2026-11-21 10:22:47 0 [Note] mysqld: ready for connections.",
        "2026-11-21T10:22:47.123456Z 0 [System] [MY-010931] [Server] ready",
        "[10:22:47 INF] Now listening on: http://[::]:80",
        "[10:22:47.123][I][app:102]: ESPHome version 2026.11.0",
        "2026-11-21T10:22:47.123+0000 I NETWORK  [listener] connection accepted",
        "21 Nov 10:22:47 - [info] Started flows",
        "<6>usb 1-1: new device",
        "[NOTICE]   (1) : New worker (8) forked",
        "info: Microsoft.Hosting.Lifetime[14]",
        "2026-11-21 10:22:47.123  [2026-11-21 10:22:47] frigate.app   INFO    : Starting",
        # prose, access logs and everything without a word of its own
        "no error found",
        "0 errors, 0 warnings",
        "3 error messages were read",
        "loaded 12 rules without error",
        "I/O scheduler set to none",
        "alert sent to two people",
        "config loaded",
        "trace id is 4711",
        "http://localhost/error is the page",
        '172.17.0.1 - - [21/Nov/2026:10:22:47 +0000] "GET /error HTTP/1.1" 200 12',
        "/var/log/error.log opened",
        "    at Object.<anonymous> (/app/error.js:1:1)",
        "the warning lights are blue",
        " * Debug mode: off",
        "",
        "   ",
        "\x1b[0m",
    ],
    "warn": [
        "2026-11-21 10:22:47.123 WARNING (MainThread) [homeassistant.loader] custom integration",
        "\x1b[33m2026-11-21 10:22:47.123 WARNING (MainThread) [py.warnings] old\x1b[0m",
        "[10:22:47] WARNING: No MQTT service",
        "s6-rc: warning: unable to start service",
        "2026/11/21 10:22:47 [warn] 29#29: *1 upstream response is buffered",
        "W1121 10:22:47.123456       1 reflector.go:424] failed to list",
        'time="2026-11-21T10:22:47Z" level=warning msg="no default route"',
        "WARNING:root:disk is nearly full",
        "[2026-11-21 10:22:47,123: WARNING/ForkPoolWorker-1] slow",
        "warn: Microsoft.AspNetCore.DataProtection[35]",
        "npm WARN deprecated har-validator@5.1.5",
        "PHP Warning:  Undefined variable $x in /app/a.php",
        "2026-11-21 10:22:47 0 [Warning] Aborted connection 5",
        "\x1b[0;33m[10:22:47][W][component:237]: Component took a long time\x1b[0m",
        "[2026-11-21T10:22:47,123][WARN ][o.e.d.Node] [name] low disk",
        "[2026-11-21T10:22:47Z WARN my_crate] retrying",
        "2026-11-21T10:22:47.123Z  WARN 1 --- [main] o.s.b.Application : slow",
        "1:M 21 Nov 2026 10:22:47.123 # WARNING overcommit_memory is set to 0!",
        "<4>CPU0: throttled",
        "W/ActivityManager: slow operation",
        "[WRN] [12] Jellyfin.Server: slow",
        "Sat Nov 21 10:22:47 2026 daemon.warn odhcpd[1]: no route",
        "warning: something odd",
        "2026-11-21 10:22:47 warning connection is slow",
    ],
    "error": [
        "2026-11-21 10:22:47.123 ERROR (MainThread) [homeassistant.setup] Setup failed",
        "[10:22:47] ERROR: Something went wrong!",
        "2026/11/21 10:22:47 [error] 29#29: *1 open() \"/x\" failed (2: No such file)",
        "2026-11-21 10:22:47.123 UTC [59] ERROR:  relation \"x\" does not exist",
        "2026-11-21 10:22:47.123 UTC [59] postgres@db ERROR:  syntax error",
        "E1121 10:22:47.123456       1 controller.go:114] failed",
        "2026-11-21T10:22:47Z ERR Cannot connect to docker",
        "2026-11-21T10:22:47.123Z\terror\tcontroller\tfailed",
        "t=2026-11-21T10:22:47+0000 lvl=eror msg=failed",
        "ERROR[11-21|10:22:47.123] Bad block",
        "ERROR:root:it broke",
        "E, [2026-11-21T10:22:47.123456 #1] ERROR -- : it broke",
        "SEVERE: Error listenerStart",
        "21-Nov-2026 10:22:47.123 SEVERE [main] org.apache.catalina.Startup failed",
        "fail: Microsoft.AspNetCore.Server.Kestrel[13]",
        "[10:22:47 ERR] Connection refused",
        "[10:22:47][E][wifi:123]: Connection failed",
        "[Sat Nov 21 10:22:47.123456 2026] [core:error] [pid 1] AH00124: exceeded",
        "1732184567: Error: Unable to open config file",
        "[2026-11-21 10:22:47] error: \tz2m: Failed to start",
        "Zigbee2MQTT:error 2026-11-21 10:22:47: Failed",
        "21 Nov 10:22:47 - [error] [function:x] TypeError",
        "npm ERR! code ELIFECYCLE",
        "Traceback (most recent call last):",
        "ValueError: invalid literal for int()",
        "java.lang.NullPointerException: Cannot invoke",
        'Exception in thread "main" java.lang.RuntimeException',
        "[Error] DownloadService: failed",
        "CONFIG ERROR: missing key",
        "error something broke",
        "Error connecting to database",
        "<3>EXT4-fs error",
        "Nov 21 10:22:47 host sshd[1]: error: PAM failed",
        "[2026-11-21 10:22:47 +0000] [1] [ERROR] Worker timeout",
        "2026-11-21 10:22:47,123 - app.module - ERROR - failed",
    ],
    "fatal": [
        "2026-11-21 10:22:47.123 CRITICAL (MainThread) [homeassistant.core] stopping",
        "2026-11-21 10:22:47.123 UTC [60] FATAL:  password authentication failed",
        "2026-11-21 10:22:47.123 UTC [1] PANIC:  could not write",
        "2026/11/21 10:22:47 [emerg] 1#1: host not found in upstream",
        "s6-overlay-suexec: fatal: can only run as pid 1",
        "F1121 10:22:47.123456       1 main.go:1] cannot start",
        "panic: runtime error: invalid memory address",
        "thread 'main' panicked at src/main.rs:4:5",
        "fatal: not a git repository",
        "crit: Microsoft.AspNetCore.Server.Kestrel[0]",
        "[ALERT]    (1) : config : parsing failed",
        "[10:22:47 FTL] Host terminated",
        "<0>Kernel panic - not syncing",
        "2026-11-21T10:22:47.123Z\tDPANIC\tserver\toh no",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("level", "line"), [(level, line) for level, lines in LINES.items() for line in lines]
)
def test_a_line_says_its_level(level: str, line: str) -> None:
    assert level_of(line, "info") == level


@pytest.mark.parametrize("line", ["", "no warnings today", "    at main (a.js:1:1)", "\x1b[0m "])
def test_a_line_that_says_nothing_gets_the_default(line: str) -> None:
    assert level_of(line, "error") == "error"


def test_a_level_beyond_the_head_does_not_count() -> None:
    assert level_of("x" * 120 + " ERROR", "info") == "info"
    assert level_of("one two three four five six seven ERROR", "info") == "info"


_pieces = st.one_of(
    st.sampled_from([line for lines in LINES.values() for line in lines]),
    st.sampled_from(["[", "]", "<3>", "E1121", "level=", "\x1b[31m", "WARN", "10:22:47", "]["]),
    st.text(max_size=30),
)


@given(st.lists(_pieces, max_size=6).map("".join))
def test_whatever_a_line_holds_the_answer_is_a_level(text: str) -> None:
    assert level_of(text, "info") in LEVELS


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("error", "error"),
        ("WARNING", "warn"),
        ("Information", "info"),
        ("eror", "error"),
        ("dpanic", "fatal"),
        ("F", "fatal"),
        ("I", "info"),
        ("D2", "debug"),
        (10, "trace"),
        (35, "info"),
        (60.0, "fatal"),
        (3, ""),
        (-30, ""),
        (True, ""),
        (None, ""),
        ([], ""),
        ("", ""),
        ("Everything", ""),
        (10**30, ""),
    ],
)
def test_a_field_names_a_level_or_none(value: object, level: str) -> None:
    assert level_from(value) == level
