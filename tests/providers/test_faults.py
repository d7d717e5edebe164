from __future__ import annotations

from typing import Any

import orjson
import pytest

from duihua.errors import ProviderError
from duihua.providers.faults import FaultTable, Reported, clean, refused, report_in
from duihua.providers.qianfan_faults import V1, V2
from duihua.providers.qianfan_v2 import QianfanV2Answer
from duihua.providers.qianfan_wire import QianfanAnswer

V1_ROWS = """
1 server | 2 server | 3 not_found | 4 overloaded | 6 permission | 13 auth | 14 auth | 15 server
17 quota_exhausted | 18 rate_limited | 19 quota_exhausted | 100 auth | 110 auth | 111 auth
336000 server | 336001 bad_request | 336002 bad_request | 336003 bad_request | 336004 permission
336005 not_found | 336006 bad_request | 336007 context_too_long | 336008 bad_request | 336100 overloaded
336101 bad_request | 336102 bad_request | 336103 context_too_long | 336104 moderation_input
336105 moderation_input | 336200 server | 336303 bad_request | 337006 bad_request
336501 rate_limited | 336502 rate_limited | 500000 server | 500001 bad_request
"""
V2_ROWS = """
400 malformed_json bad_request | 400 invalid_model bad_request | 400 invalid_messages bad_request
400 invalid_argument bad_request | 400 invalid_plugin_argument bad_request
400 invalid_image_generation_prompt bad_request | 400 invalid_image_generation_refer_image bad_request
400 invalid_image_url bad_request | 400 characters_too_long context_too_long
400 tokens_too_long context_too_long | 400 image_url_unsafe moderation_input
401 invalid_iam_token auth | 401 invalid_appid auth | 401 no_parameter_permission permission
401 invalid_model not_found | 403 system_unsafe moderation_input | 403 user_setting_unsafe moderation_input
403 functions_unsafe moderation_input | 403 account_overdue quota_exhausted | 403 model_offline not_found
405 method_not_supported bad_request | 429 rpm_rate_limit_exceeded rate_limited
429 tpm_rate_limit_exceeded rate_limited | 429 input_tpm_rate_limit_exceeded rate_limited
429 output_tpm_rate_limit_exceeded rate_limited | 429 user_rate_limit_exceeded rate_limited
429 cluster_rate_limit_exceeded rate_limited | 429 cluster_rpm_rate_limit_exceeded rate_limited
429 cluster_tpm_rate_limit_exceeded rate_limited | 429 preemptible_rate_limit_exceeded rate_limited
429 Offline_batch_reasoning_refused rate_limited | 500 internal_error server
500 dispatch_internal_error server | 500 image_generation_interal_error server | 500 Internal_error server
"""
RETRIED = {"server", "overloaded", "rate_limited"}


def rows(table: str) -> list[list[str]]:
    return [row.split() for line in table.split("\n") for row in line.split("|") if row.strip()]


@pytest.mark.parametrize(("code", "category"), rows(V1_ROWS))
@pytest.mark.parametrize("number", [True, False])
def test_every_code_of_the_first_wire(code: str, category: str, number: bool) -> None:
    answer = QianfanAnswer("m")
    answer.feed(orjson.dumps({"error_code": int(code) if number else code, "error_msg": "why", "id": "as-9"}))
    answer.close()
    error = answer.error
    assert error is not None
    assert (error.vendor_code, error.category, error.request_id) == (code, category, "as-9")
    assert error.message.startswith("why")
    assert error.retryable is (category in RETRIED)


@pytest.mark.parametrize(("status", "code", "category"), rows(V2_ROWS))
def test_every_code_of_the_second_wire(status: str, code: str, category: str) -> None:
    body = {"error": {"code": code, "message": "why", "type": "invalid_request_error"}, "id": "as-8"}
    error = refused(V2, int(status), {}, orjson.dumps(body))
    assert (error.vendor_code, error.category, error.request_id) == (code, category, "as-8")
    assert error.http_status == int(status)
    assert error.retryable is (category in RETRIED)


@pytest.mark.parametrize(("_", "code", "category"), rows(V2_ROWS))
def test_the_second_wire_may_answer_errors_with_200(_: str, code: str, category: str) -> None:
    answer = QianfanV2Answer(V2, "m")
    words = "The model does not exist" if category == "not_found" else "why"
    answer.feed(orjson.dumps({"error": {"code": code, "message": words}}) + b"\n")
    assert answer.error is not None
    assert answer.error.category == category


@pytest.mark.parametrize(
    ("body", "report"),
    [
        ({"error_code": 110, "error_msg": "x", "error": {"code": "other"}}, Reported("110", "x")),
        ({"error_code": "APIG.0308", "error_msg": "slow", "request_id": "r"}, Reported("APIG.0308", "slow")),
        ({"error": {"code": "c", "message": "m", "type": "t"}}, Reported("c", "m", "t")),
        ({"error": {"code": 400, "message": "m", "param": None}}, Reported("400", "m")),
        ({"error": "invalid_client", "error_description": "d"}, Reported("invalid_client", "d")),
        ({"error": "words about it", "code": "c"}, Reported("c", "words about it")),
        ({"error": "words about it"}, Reported("", "words about it")),
        ({"object": "error", "message": "m", "type": "T", "code": 400}, Reported("400", "m", "T")),
        ({"code": "InvalidParameter", "message": "m"}, Reported("InvalidParameter", "m")),
        ({"detail": "Method Not Allowed"}, Reported("", "Method Not Allowed")),
        ({"error_code": 0, "result": "fine"}, None),
        ({"error": None, "choices": []}, None),
        ({"error": {}, "choices": []}, None),
        ({"result": "x", "detail": "y"}, None),
    ],
)
def test_every_shape_of_error_body_is_known(body: dict[str, Any], report: Reported | None) -> None:
    assert report_in(body) == report


@pytest.mark.parametrize(
    ("status", "body", "category"),
    [
        (400, b"", "bad_request"),
        (401, b"", "auth"),
        (402, b"", "quota_exhausted"),
        (403, b"", "permission"),
        (404, b"<html>404</html>", "not_found"),
        (408, b"", "timeout"),
        (413, b"", "context_too_long"),
        (418, b"", "bad_request"),
        (429, b"slow down", "rate_limited"),
        (500, b"\xff\xfe", "server"),
        (502, b"<html>", "server"),
        (503, b"", "overloaded"),
        (504, b"", "timeout"),
        (302, b"", "not_found"),
        (400, b'{"object":"error","message":"maximum context length is 4096 tokens"}', "context_too_long"),
    ],
)
def test_the_status_tells_when_the_body_does_not(status: int, body: bytes, category: str) -> None:
    error = refused(FaultTable("x", {}), status, {}, body)
    assert (error.category, error.http_status) == (category, status)
    assert "<" not in error.message


@pytest.mark.parametrize("code", ["NotFound", "SignatureDoesNotMatch"])
def test_the_gateway_tells_in_headers(code: str) -> None:
    headers = {"x-bce-error-code": code, "x-bce-error-message": f"{code}, cause: Could not find credential."}
    error = refused(V1, 404, headers, b"")
    assert (error.category, error.vendor_code) == ("auth", code)
    assert "QIANFAN_ACCESS_KEY_ID" in error.message


def test_words_are_bounded_clean_and_without_secrets() -> None:
    words = clean("a\x00b\x1b[31m\n" + "x" * 1000 + " access_token=24.secret")
    assert len(words) == 300
    assert words.isprintable()
    assert clean("bad access_token=24.secret!") == "bad access_token=***"


def test_an_error_may_be_framed_as_an_event() -> None:
    body = b'id:1\nevent:error\n:HTTP_STATUS/400\ndata:{"code":"Bad","message":"no","request_id":"r-1"}\n\n'
    error = refused(FaultTable("x", {}), 400, {}, body)
    assert (error.message, error.vendor_code, error.request_id) == ("no", "Bad", "r-1")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("86400", 120.0),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 10:00:00 GMT", 120.0),
        ("Sat, 99 Nov 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    headers = {"retry-after": value, "date": "Sat, 21 Nov 2026 10:00:00 GMT"}
    assert refused(V2, 429, headers, b"").retry_after == seconds


def test_milliseconds_go_first_and_a_date_needs_no_other() -> None:
    assert refused(V2, 429, {"retry-after-ms": "1500", "retry-after": "2"}, b"").retry_after == 1.5
    assert refused(V2, 429, {"retry-after-ms": "x", "retry-after": "2"}, b"").retry_after == 2
    assert refused(V2, 429, {"retry-after": "Sat, 21 Nov 2076 10:00:00 GMT"}, b"").retry_after == 120


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert refused(FaultTable("x", {}), status, {}, b"").retryable
    in_answer = {"error": {"message": "no", "code": status}}
    assert FaultTable("x", {}).error(report_in(in_answer) or Reported("", "")).retryable


def test_the_platforms_own_request_id_goes_first() -> None:
    error = refused(V1, 500, {"x-baidu-request-id": "baidu"}, b'{"error_code":1,"id":"as-1"}')
    assert error.request_id == "baidu"


def test_the_model_list_is_named_when_there_is_no_such_model() -> None:
    for table, code in ((V1, "3"), (V1, "336005"), (V2, "invalid_model")):
        assert "duihua models" in table.error(Reported(code, "no")).message


@pytest.mark.parametrize(
    ("code", "budget"),
    [("336502", "tokens"), ("336501", "requests"), ("18", None)],
)
def test_refusals_name_the_budget_they_are_about(code: str, budget: str | None) -> None:
    assert V1.spent(code) == budget
    assert V2.spent("input_tpm_rate_limit_exceeded") == "tokens"
    assert V2.spent("rpm_rate_limit_exceeded") == "requests"


def test_an_error_shows_its_facts() -> None:
    error = V1.error(Reported("336501", "slow"), id="as-1")
    assert isinstance(error, ProviderError)
    assert str(error) == "slow (qianfan, rate_limited, code 336501, HTTP 200, request as-1)"


def test_halves_of_characters_do_not_reach_a_screen() -> None:
    body = rb'{"error":{"code":"c\ud800","message":"no \udfff way"},"id":"\ud801"}'
    error = refused(V1, 400, {}, body)
    f"{error.message}{error.vendor_code}{error.request_id}".encode()
    assert error.message.split() == ["no", "way"]
