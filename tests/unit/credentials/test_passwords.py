from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowexport_mgmt.credentials.passwords import (
    hash_password,
    is_cleartext,
    refusal,
    rounds_of,
    verify_password,
)

FOREIGN = (
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJu"
    "esI68u4OTLiBFdcbYEdFCoEOfaS35inz1"
)
"""Made by OpenSSL from the salt and the password of SHA-crypt's first example."""


def openssl(kind: str, password: str, *options: str) -> str:
    command = ["openssl", "passwd", f"-{kind}", "-stdin", *options]
    done = subprocess.run(command, input=password, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_example_of_the_specification() -> None:
    assert verify_password("Hello world!", FOREIGN)
    assert not verify_password("Hello world", FOREIGN)


@pytest.mark.parametrize("kind", ["5", "6"])
@pytest.mark.parametrize("password", ["secret", "with space", "ünïcödé", "x" * 200])
def test_hashes_that_openssl_made(kind: str, password: str) -> None:
    stored = openssl(kind, password)
    assert refusal(stored) == ""
    assert verify_password(password, stored)
    assert not verify_password(password + "x", stored)


def test_our_own_hash_is_salted_strong_and_right() -> None:
    one, other = hash_password("secret"), hash_password("secret")
    assert one != other
    assert rounds_of(one) == 100_000
    assert refusal(one) == ""
    assert verify_password("secret", one)
    assert not verify_password("Secret", one)
    salt = one.split("$")[3]
    assert openssl("6", "secret", "-salt", f"rounds=100000${salt}") == one


@pytest.mark.parametrize("password", ["", "x" * 257, "a\0b"])
def test_what_is_no_password(password: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        hash_password(password)
    assert not verify_password(password, FOREIGN)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "x",
        "$0$clear",
        pytest.param(openssl("1", "secret"), id="MD5"),
        FOREIGN.replace("$6$", "$6$rounds=999$"),
        FOREIGN.replace("$6$", "$6$rounds=1000001$"),
        "$2b$12$abc",
    ],
)
def test_hashes_that_are_weak_strange_or_too_much_work_are_refused(stored: str) -> None:
    reason = refusal(stored)
    assert reason
    assert not stored or stored not in reason
    assert not verify_password("secret", stored)


def test_clear_text_is_told_from_hashes() -> None:
    assert is_cleartext("$0$")
    assert is_cleartext("$0$secret")
    assert not is_cleartext(FOREIGN)


@settings(max_examples=30)
@given(st.text(max_size=20))
def test_any_text_is_tried_without_an_error(password: str) -> None:
    assert not verify_password(password, FOREIGN)
