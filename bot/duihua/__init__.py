"""duihua (对话): a chatbot framework people can trust with their conversations.

Everything a user of the library needs is imported from here. What is heavy is loaded when it is first used.
"""

from __future__ import annotations

from duihua.abilities import Task
from duihua.config import Settings
from duihua.documents import read_document, read_file
from duihua.engine import ChatEngine
from duihua.errors import (
    AskUser,
    ConfigError,
    DuihuaError,
    InputTooLong,
    InvalidOptions,
    MissingKey,
    NoSuchAbility,
    NotAllowed,
    NotFound,
    NotYours,
    ProviderError,
    SessionBusy,
    SkillError,
    StorageError,
    TurnError,
    UnsupportedInput,
)
from duihua.events import (
    AnyEvent,
    ApprovalRequested,
    HistoryCleared,
    Notice,
    Retracted,
    SkillAttached,
    SkillFinished,
    SkillProgress,
    SkillStarted,
    TextDelta,
    ThinkingDelta,
    TurnFailed,
    TurnFinished,
    TurnRestarted,
    TurnSnapshot,
    TurnStarted,
)
from duihua.following import Reply
from duihua.handing_in import Ticket
from duihua.messages import Address, Attachment, Cost, Text, Turn, Usage
from duihua.options import ModelOptions
from duihua.pictures import image, read_image
from duihua.providers.fallback import Health
from duihua.session import Session
from duihua.skills.contract import Context
from duihua.skills.schema import skill

__version__ = "0.1.0"

__all__ = [
    "Address",
    "AnyEvent",
    "ApprovalRequested",
    "AskUser",
    "Attachment",
    "ChatEngine",
    "ConfigError",
    "Context",
    "Cost",
    "DuihuaError",
    "Health",
    "HistoryCleared",
    "InputTooLong",
    "InvalidOptions",
    "MissingKey",
    "ModelOptions",
    "NoSuchAbility",
    "NotAllowed",
    "NotFound",
    "NotYours",
    "Notice",
    "ProviderError",
    "Reply",
    "Retracted",
    "Session",
    "SessionBusy",
    "Settings",
    "SkillAttached",
    "SkillError",
    "SkillFinished",
    "SkillProgress",
    "SkillStarted",
    "StorageError",
    "Task",
    "Text",
    "TextDelta",
    "ThinkingDelta",
    "Ticket",
    "Turn",
    "TurnError",
    "TurnFailed",
    "TurnFinished",
    "TurnRestarted",
    "TurnSnapshot",
    "TurnStarted",
    "UnsupportedInput",
    "Usage",
    "image",
    "read_document",
    "read_file",
    "read_image",
    "skill",
]
