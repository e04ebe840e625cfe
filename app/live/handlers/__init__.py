"""What a connection does for each type of command: one coroutine each, `await handler(connection, command)`.

A handler answers with `connection.send`, or raises Refused or Unavailable, which the connection answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from app.chat import frames
from app.live.handlers import account, helping, moderating, people, reading, rooms, speaking

HANDLERS: dict[type, Callable[..., Awaitable[Any]]] = {
    frames.Say: speaking.say,
    frames.Whisper: speaking.whisper,
    frames.Reply: speaking.reply,
    frames.Edit: speaking.edit,
    frames.Delete: speaking.delete,
    frames.History: reading.history,
    frames.Search: reading.search,
    frames.Read: reading.read,
    frames.Conversations: reading.conversations,
    frames.Join: rooms.join,
    frames.Part: rooms.part,
    frames.Rooms: rooms.list_rooms,
    frames.Who: rooms.list_people,
    frames.DescribeRoom: rooms.describe,
    frames.Typing: rooms.typing,
    frames.Topic: moderating.topic,
    frames.Private: moderating.private,
    frames.Public: moderating.public,
    frames.Slow: moderating.change_setting,
    frames.Mentions: moderating.change_setting,
    frames.ListModeration: moderating.list_moderation,
    frames.Kick: moderating.moderate,
    frames.Ban: moderating.moderate,
    frames.Unban: moderating.moderate,
    frames.Mute: moderating.moderate,
    frames.Unmute: moderating.moderate,
    frames.Op: moderating.moderate,
    frames.Deop: moderating.moderate,
    frames.Invite: moderating.moderate,
    frames.Uninvite: moderating.moderate,
    frames.Nick: account.nick,
    frames.Register: account.register,
    frames.ChangePassword: account.change_password,
    frames.Login: account.login,
    frames.Logout: account.logout,
    frames.Quit: account.leave,
    frames.Away: people.away,
    frames.Back: people.back,
    frames.Ignore: people.ignore,
    frames.Unignore: people.unignore,
    frames.ListIgnored: people.list_ignored,
    frames.Help: helping.explain,
    frames.SlashCommand: helping.run,
}
