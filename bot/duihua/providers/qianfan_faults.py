"""Qianfan's error codes, both wires."""

from __future__ import annotations

from collections.abc import Mapping

from duihua.errors import Category
from duihua.providers.faults import FaultTable, Reported

_MODELS = "`duihua models` lists the models that are known; a service of your own is named by its path"
_KEYS = "Check QIANFAN_API_KEY and QIANFAN_SECRET_KEY"
_PAIR = "Check QIANFAN_ACCESS_KEY_ID, QIANFAN_ACCESS_KEY_SECRET and this machine's clock"
_ACCOUNT = "Check in the platform's console that the model is enabled and the account is in credit"

_V1: Mapping[str, Category] = {
    "1": "server",
    "2": "server",
    "3": "not_found",
    "4": "overloaded",
    "6": "permission",
    "13": "auth",
    "14": "auth",
    "15": "server",  # sent for some moments after an app was made: trying again cures it
    "17": "quota_exhausted",
    "18": "rate_limited",
    "19": "quota_exhausted",
    "100": "auth",
    "110": "auth",
    "111": "auth",
    "336000": "server",
    "336001": "bad_request",
    "336002": "bad_request",
    "336003": "bad_request",
    "336004": "permission",
    "336005": "not_found",
    "336006": "bad_request",
    "336007": "context_too_long",
    "336008": "bad_request",
    "336100": "overloaded",
    "336101": "bad_request",
    "336102": "bad_request",
    "336103": "context_too_long",
    "336104": "moderation_input",
    "336105": "moderation_input",
    "336200": "server",
    "336303": "bad_request",
    "336501": "rate_limited",
    "336502": "rate_limited",
    "337006": "bad_request",
    "500000": "server",
    "500001": "bad_request",
    # the token endpoint
    "invalid_client": "auth",
    "invalid_request": "bad_request",
    "rate_limit_exceeded": "rate_limited",
    "unknown_error": "server",
    # the gateway, about a signature
    "NotFound": "auth",
    "SignatureDoesNotMatch": "auth",
}

_V2: Mapping[str, Category] = {
    "malformed_json": "bad_request",
    "invalid_messages": "bad_request",
    "invalid_argument": "bad_request",
    "invalid_plugin_argument": "bad_request",
    "invalid_image_generation_prompt": "bad_request",
    "invalid_image_generation_refer_image": "bad_request",
    "invalid_image_url": "bad_request",
    "characters_too_long": "context_too_long",
    "tokens_too_long": "context_too_long",
    "image_url_unsafe": "moderation_input",
    "invalid_iam_token": "auth",
    "invalid_token": "auth",
    "invalid_appid": "auth",
    "no_parameter_permission": "permission",
    "coding_plan_api_key_not_allowed": "permission",
    "system_unsafe": "moderation_input",
    "user_setting_unsafe": "moderation_input",
    "functions_unsafe": "moderation_input",
    "unsafe_request": "moderation_input",
    "account_overdue": "quota_exhausted",
    "model_offline": "not_found",
    "method_not_supported": "bad_request",
    "rpm_rate_limit_exceeded": "rate_limited",
    "tpm_rate_limit_exceeded": "rate_limited",
    "input_tpm_rate_limit_exceeded": "rate_limited",
    "output_tpm_rate_limit_exceeded": "rate_limited",
    "user_rate_limit_exceeded": "rate_limited",
    "cluster_rate_limit_exceeded": "rate_limited",
    "cluster_rpm_rate_limit_exceeded": "rate_limited",
    "cluster_tpm_rate_limit_exceeded": "rate_limited",
    "preemptible_rate_limit_exceeded": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "Offline_batch_reasoning_refused": "rate_limited",
    "internal_error": "server",
    "dispatch_internal_error": "server",
    "image_generation_interal_error": "server",  # the platform's own spelling
    "Internal_error": "server",
    "NotFound": "auth",
    "SignatureDoesNotMatch": "auth",
}


class _V2Faults(FaultTable):
    """Two codes mean more than one thing; the words tell which."""

    def refined(self, report: Reported, status: int) -> Category | None:
        """An unknown model, and a refusal for what the messages say."""
        words = report.message.lower()
        if report.code == "invalid_model":
            return "not_found" if status in (401, 404) or "exist" in words else "bad_request"
        if report.code == "invalid_messages" and "sensitive" in words:
            return "moderation_input"
        return None


V1 = FaultTable(
    "qianfan",
    _V1,
    hints={
        "3": _MODELS,
        "336005": _MODELS,
        "13": _KEYS,
        "100": _KEYS,
        "110": _KEYS,
        "111": _KEYS,
        "invalid_client": _KEYS,
        "14": _PAIR,
        "NotFound": _PAIR,
        "SignatureDoesNotMatch": _PAIR,
        "17": _ACCOUNT,
        "19": _ACCOUNT,
        "6": _ACCOUNT,
        "336004": _ACCOUNT,
    },
    token_codes=frozenset({"336502"}),
    momentary=frozenset({"18"}),
)
V2: FaultTable = _V2Faults(
    "qianfan-v2",
    _V2,
    hints={
        "invalid_model": _MODELS,
        "model_offline": _MODELS,
        "invalid_iam_token": "Check QIANFAN_BEARER_TOKEN; a token of the old wire is not accepted",
        "account_overdue": _ACCOUNT,
        "NotFound": _PAIR,
        "SignatureDoesNotMatch": _PAIR,
    },
)
