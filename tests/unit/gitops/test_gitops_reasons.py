"""git's words and ours."""

from __future__ import annotations

import pytest

from towline.gitops.reasons import Damaged, GitFailed, failure, reason, scrubbed


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "fatal: unable to access 'http://nas/f.git/': Could not resolve host: nas",
            "host not found",
        ),
        (
            "fatal: unable to access 'http://nas:1/': Failed to connect to nas port 1 after 0 ms:"
            " Couldn't connect to server",
            "connection refused",
        ),
        (
            "fatal: could not read Username for 'http://nas': terminal prompts disabled",
            "not authorised: a token is needed",
        ),
        ("fatal: Authentication failed for 'http://nas/'", "not authorised: check the token"),
        (
            "git@nas: Permission denied (publickey).\nfatal: Could not read from remote.",
            "not authorised: check the key",
        ),
        (
            "No ED25519 host key is known for nas and you have requested strict checking.\n"
            "Host key verification failed.\nfatal: Could not read from remote repository.",
            "the server's host key is not among known_hosts",
        ),
        (
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "the server's host key has changed",
        ),
        (
            "fatal: unable to access 'https://nas/': SSL certificate problem: self-signed",
            "the server's certificate is not trusted",
        ),
        ("fatal: repository 'http://nas/f.git/' not found", "there is no such repository"),
        ("error: RPC failed; HTTP 500\nfatal: the remote end hung up", "RPC failed; HTTP 500"),
        ("remote: fatal: out of coffee\n", "out of coffee"),
        ("something else", "something else"),
        ("", "git said nothing"),
    ],
)
def test_a_failure_is_told_in_few_words(said: str, told: str) -> None:
    assert reason(said) == told


def test_a_long_story_is_cut() -> None:
    assert len(reason("fatal: " + "x" * 10_000)) <= 300


def test_damage_of_our_own_copy_is_told_from_a_remote_that_is_away() -> None:
    assert isinstance(failure("error: object file x is empty\nfatal: loose object"), Damaged)
    away = failure("fatal: unable to access 'http://nas/': Connection refused")
    assert isinstance(away, GitFailed)
    assert not isinstance(away, Damaged)


def test_no_secret_survives_in_what_git_said() -> None:
    said = "fatal: 'https://me:pass@nas/' refused t0ken"
    assert scrubbed(said, ["t0ken"]) == "fatal: 'https://me:***@nas/' refused ***"
