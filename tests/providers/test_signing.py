from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duihua.providers.signing import authorization, utc_date

PATH = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant"
HEADERS = {
    "Content-Type": "application/json",
    "Host": "aip.baidubce.com",
    "Request_id": "sdk-py-x",
    "x-bce-date": "2016-04-28T03:49:33Z",
}
VECTORS = [
    ({}, "6a0f76e3af2b0b4afe1f88bf04b65f4367f8cd2c6dcd777ab85a15d41beef1ab"),
    ({"a b": "中 文", "z": "1/2"}, "be7274c99dfd583bd923b48159b3e18d1cd42cfe5509644448f1c0bb046388dd"),
]


@pytest.mark.parametrize(("query", "signature"), VECTORS)
def test_known_signatures_are_made(query: dict[str, str], signature: str) -> None:
    value = authorization("AKID", "SKEY", "POST", PATH, HEADERS, query, signed=HEADERS)
    assert value == (
        f"bce-auth-v1/AKID/2016-04-28T03:49:33Z/300/content-type;host;request_id;x-bce-date/{signature}"
    )


@given(st.permutations(list(HEADERS)), st.permutations(["k", "a b", "Z"]))
def test_the_order_of_headers_and_query_does_not_matter(headers: list[str], query: list[str]) -> None:
    def signed(names: list[str], keys: list[str]) -> str:
        values = {n: HEADERS[n] for n in names}
        return authorization("AKID", "SKEY", "POST", PATH, values, {k: k + "/1" for k in keys})

    assert signed(headers, query) == signed(list(HEADERS), ["k", "a b", "Z"])


def test_only_the_documented_headers_are_signed_by_default() -> None:
    value = authorization("AKID", "SKEY", "POST", PATH, HEADERS)
    assert value.split("/")[4] == "content-type;host;x-bce-date"


def test_dates_are_utc_to_the_second() -> None:
    assert utc_date(1461815373.9) == "2016-04-28T03:49:33Z"
