"""Everything that the Square remembers, in memory and bounded; a restart forgets it."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from app.demo.square.models import MAX_MESSAGE, MAX_POST, Accepts, DirectMessage, Person, Post, SeedPost, SquareSeed

Clock = Callable[[], datetime]
MAX_ROWS = 5000
MAX_SESSIONS = 1000
HANDLE = re.compile(r"[a-z0-9_]{3,20}")
MENTION = re.compile(r"(?<![\w@/.])@([A-Za-z0-9_]{3,20})(?![\w@])")


class SquareRefusal(Exception):
    """The Square does not do this; `code` is stable and names the sentence on the page."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Square:
    """The network's state and its rules."""

    def __init__(self, seed: SquareSeed, clock: Clock) -> None:
        self.issuer = seed.issuer.rstrip("/")
        self.clock = clock
        self.people: dict[str, Person] = {person.id: person for person in seed.people}
        self.posts: dict[int, Post] = {}
        self.messages: list[DirectMessage] = []
        self._sessions: OrderedDict[str, str] = OrderedDict()
        self._bots = {digest(bot.token): bot.person_id for bot in seed.bots}
        self._done: dict[tuple[str, str], tuple[str, Post | DirectMessage]] = {}
        for post in seed.posts:
            self._add_seed(post)
        self._last_id = max(self.posts, default=1000)

    # people and sessions

    def by_handle(self, handle: str) -> Person | None:
        """Who holds this handle now."""
        wanted = handle.casefold()
        return next((person for person in self.people.values() if person.handle.casefold() == wanted), None)

    def rename(self, person_id: str, handle: str) -> Person:
        """Give a person another handle; the old one is free for anybody. Raises SquareRefusal."""
        handle = handle.strip().removeprefix("@").lower()
        if not HANDLE.fullmatch(handle):
            raise SquareRefusal("handle_form")
        holder = self.by_handle(handle)
        if holder is not None and holder.id != person_id:
            raise SquareRefusal("handle_taken")
        self.people[person_id] = self.people[person_id].renamed(handle)
        return self.people[person_id]

    def set_accepts(self, person_id: str, accepts: Accepts) -> None:
        """Choose whose direct messages a person takes."""
        self.people[person_id] = replace(self.people[person_id], accepts=accepts)

    def sign_in(self, person_id: str) -> str:
        """A new session token for this person. Raises SquareRefusal if there is no such person."""
        if person_id not in self.people:
            raise SquareRefusal("unknown_person")
        token = secrets.token_urlsafe(32)
        self._sessions[digest(token)] = person_id
        while len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return token

    def sign_out(self, token: str) -> None:
        """Forget a session."""
        self._sessions.pop(digest(token), None)

    def session_person(self, token: str | None) -> Person | None:
        """Who is signed in by this session token."""
        person_id = None if token is None else self._sessions.get(digest(token))
        return None if person_id is None else self.people[person_id]

    def bot_person(self, token: str) -> Person | None:
        """Who acts by this API token."""
        person_id = self._bots.get(digest(token))
        return None if person_id is None else self.people[person_id]

    # posts

    def post(self, author_id: str, text: str, in_reply_to: int | None, key: str | None = None) -> tuple[Post, bool]:
        """Publish, once per author and `key`; says whether the post is new. Raises SquareRefusal."""
        text = clean(text, MAX_POST)
        body = f"post {in_reply_to} {text}"
        if (earlier := self._earlier(author_id, key, body)) is not None:
            assert isinstance(earlier, Post)
            return earlier, False
        parent = None if in_reply_to is None else self.posts.get(in_reply_to)
        if in_reply_to is not None and parent is None:
            raise SquareRefusal("not_found")
        self._require_room()
        self._last_id += 1
        made = self._make(self._last_id, author_id, text, self.clock(), parent)
        self._remember(author_id, key, body, made)
        return made, True

    def timeline(self, before: int | None, limit: int) -> list[Post]:
        """Posts that begin a thread, newest first, with ids below `before`."""
        ids = sorted((one.id for one in self.posts.values() if one.in_reply_to is None), reverse=True)
        return [self.posts[one] for one in ids if before is None or one < before][:limit]

    def by_author(self, person_id: str, limit: int) -> list[Post]:
        """A person's posts and replies, newest first."""
        mine = [post for post in self.posts.values() if post.author_id == person_id]
        return sorted(mine, key=lambda post: post.id, reverse=True)[:limit]

    def thread(self, thread_id: int, after: int = 0) -> list[Post]:
        """The posts of a thread above id `after`, oldest first."""
        return self._sorted(post for post in self.posts.values() if post.thread_id == thread_id and post.id > after)

    def mentions(self, person_id: str, after: int) -> list[Post]:
        """Posts above id `after` that name this person or answer one of their posts, oldest first."""
        return self._sorted(post for post in self.posts.values() if post.id > after and self._concerns(post, person_id))

    def _concerns(self, post: Post, person_id: str) -> bool:
        parent = None if post.in_reply_to is None else self.posts[post.in_reply_to]
        return person_id in post.mentions or (parent is not None and parent.author_id == person_id)

    # direct messages

    def send_message(self, sender_id: str, to: str, text: str, key: str | None = None) -> tuple[DirectMessage, bool]:
        """Deliver in private, once per sender and `key`; says whether it is new. Raises SquareRefusal."""
        text = clean(text, MAX_MESSAGE)
        recipient = self.people.get(to)
        if recipient is None or to == sender_id:
            raise SquareRefusal("not_found")
        body = f"message {to} {text}"
        if (earlier := self._earlier(sender_id, key, body)) is not None:
            assert isinstance(earlier, DirectMessage)
            return earlier, False
        if recipient.accepts is Accepts.NOBODY:
            raise SquareRefusal("messages_closed")
        if recipient.accepts is Accepts.CONTACTS and not self._has_written(to, sender_id):
            raise SquareRefusal("not_following")
        self._require_room()
        made = DirectMessage(len(self.messages) + 1, sender_id, to, text, self.clock())
        self.messages.append(made)
        self._remember(sender_id, key, body, made)
        return made, True

    def conversation(self, one: str, other: str) -> list[DirectMessage]:
        """What two people wrote to each other, oldest first."""
        return [message for message in self.messages if {message.sender_id, message.recipient_id} == {one, other}]

    def conversations(self, person_id: str) -> list[DirectMessage]:
        """The last message with each person that this one has written with, newest first."""
        last: dict[str, DirectMessage] = {}
        for message in self.messages:
            if person_id in (message.sender_id, message.recipient_id):
                other = message.recipient_id if message.sender_id == person_id else message.sender_id
                last[other] = message
        return sorted(last.values(), key=lambda message: message.id, reverse=True)

    def received(self, person_id: str) -> int:
        """How many direct messages this person has got so far."""
        return len(self.received_after(person_id, 0))

    def received_after(self, person_id: str, after: int) -> list[DirectMessage]:
        """The direct messages to this person above id `after`, oldest first."""
        return [one for one in self.messages if one.recipient_id == person_id and one.id > after]

    def _has_written(self, sender_id: str, recipient_id: str) -> bool:
        return any(one.sender_id == sender_id and one.recipient_id == recipient_id for one in self.messages)

    # how it is kept

    def _make(self, post_id: int, author_id: str, text: str, at: datetime, parent: Post | None) -> Post:
        named = (self.by_handle(match) for match in MENTION.findall(text))
        mentions = frozenset(person.id for person in named if person is not None)
        replied = None if parent is None else parent.id
        thread = post_id if parent is None else parent.thread_id
        self.posts[post_id] = Post(post_id, author_id, text, at, thread, replied, mentions)
        return self.posts[post_id]

    def _add_seed(self, seed: SeedPost) -> None:
        parent = None if seed.in_reply_to is None else self.posts[int(seed.in_reply_to)]
        if int(seed.id) <= max(self.posts, default=0) or seed.author_id not in self.people:
            raise ValueError(f"seeded post {seed.id} is out of order or has no author")
        self._make(int(seed.id), seed.author_id, clean(seed.text, MAX_POST), seed.created_at, parent)

    def _earlier(self, person_id: str, key: str | None, body: str) -> Post | DirectMessage | None:
        earlier = None if key is None else self._done.get((person_id, key))
        if earlier is None:
            return None
        if earlier[0] != digest(body):
            raise SquareRefusal("idempotency_mismatch")
        return earlier[1]

    def _remember(self, person_id: str, key: str | None, body: str, made: Post | DirectMessage) -> None:
        if key is not None:
            self._done[person_id, key] = (digest(body), made)

    def _require_room(self) -> None:
        if len(self.posts) + len(self.messages) >= MAX_ROWS:
            raise SquareRefusal("full")

    @staticmethod
    def _sorted(posts: Iterable[Post]) -> list[Post]:
        return sorted(posts, key=lambda post: post.id)


def digest(value: str) -> str:
    """SHA-256, under which tokens are kept so that the store never holds them."""
    return hashlib.sha256(value.encode()).hexdigest()


def clean(text: str, maximum: int) -> str:
    """The text as it is stored: NFC, one kind of line end, trimmed. Raises SquareRefusal."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    if not text:
        raise SquareRefusal("empty")
    if len(text) > maximum:
        raise SquareRefusal("too_long")
    if any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in text):
        raise SquareRefusal("control_characters")
    return text
