#!/usr/bin/env python3
"""Decodes a recovery log by docs/recovery_log_format.md alone and prints what it holds as JSON.

Usage: decode_log.py DIRECTORY [--expect FILE]

    --expect FILE   compare with the JSON in FILE instead of printing; exit code 1 when it differs

A second opinion on the format: nothing here is shared with the library. Reads only. A log that a
reader must refuse is no error of this program: its verdict is in the JSON.
"""

import argparse
import dataclasses
import difflib
import json
import pathlib
import re
import struct
import sys

MAJOR = 1
PAGE_BYTES = 4096
SECTOR_BYTES = 512
SECTORS = PAGE_BYTES // SECTOR_BYTES
PAGE_HEADER = struct.Struct("<4sBBH8s8sIIQQHHIII8I")
RECORD_HEADER = struct.Struct("<IHBBQ")
SECTOR_CRCS = slice(64, 96)
IGNORABLE = 0x80
TYPES = {
    1: "ENTRY",
    2: "FORGOTTEN",
    4: "CHECKPOINT_END",
    5: "QUARANTINE",
    6: "SEGMENT_HEAD",
    136: "OPERATOR_NOTE",
}
FRAGMENTS = ("whole", "first", "middle", "last")
TWO_COPIES = 8
FLAGS = {1: "segment head", 2: "seal", 4: "clean shutdown", TWO_COPIES: "two copies"}
TEXT_BYTES_MAX = 64


class Stop(Exception):
    """The log must not be used; the message says why."""


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


CRC_TABLE = _crc_table()


def crc32c(data, before=0):
    """CRC-32C of `data`; `before` is the CRC of what precedes it."""
    value = before ^ 0xFFFFFFFF
    for byte in data:
        value = CRC_TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


ZERO_SECTOR_CRCS = [crc32c(bytes(SECTOR_BYTES), index) for index in range(SECTORS)]


def sector_crc(index, sector):
    if not any(sector):
        return ZERO_SECTOR_CRCS[index]
    if index == 0:
        sector = sector[:64] + bytes(4) + sector[68:]
    return crc32c(sector, index)


def sectors_of(page):
    return [page[at : at + SECTOR_BYTES] for at in range(0, PAGE_BYTES, SECTOR_BYTES)]


def has_intact_header(page):
    first = page[:SECTOR_BYTES]
    return first[:4] == b"XDLP" and struct.unpack_from("<I", first, 64)[0] == sector_crc(0, first)


def put_together(copies):
    """One page from its copies: each sector from one in which it is intact, else a zero one."""
    with_header = [page for page in copies if has_intact_header(page)]
    crcs = struct.unpack("<8I", with_header[0][SECTOR_CRCS]) if with_header else None
    result = b""
    for index, candidates in enumerate(zip(*map(sectors_of, copies))):
        intact = [
            sector
            for sector in candidates
            if crcs is not None and sector_crc(index, sector) == crcs[index]
        ]
        zero = [sector for sector in candidates if not any(sector)]
        result += (intact or zero or candidates)[0]
    return result


@dataclasses.dataclass
class Record:
    kind: int
    fragment: int
    sequence: int
    body: bytes

    def describe(self):
        described = {
            "type": TYPES.get(self.kind, self.kind),
            "fragment": FRAGMENTS[self.fragment],
            "sequence": self.sequence,
            "bytes": len(self.body),
        }
        if self.fragment != 0:
            return described
        if self.kind == 2:
            described["entry"] = struct.unpack("<Q", self.body)[0]
        elif self.kind == 4:
            described["entries"] = struct.unpack_from("<Q", self.body)[0]
        elif self.kind == 5:
            described["epoch"] = struct.unpack("<I", self.body)[0]
        elif self.kind == 6:
            described.update(SegmentHead.of(self.body).describe())
        elif self.kind == 136:
            when, text = note_of(self.body)
            described.update(when=when, text=text)
        return described


def note_of(body):
    return struct.unpack_from("<Q", body)[0], body[8:].decode()


@dataclasses.dataclass
class SegmentHead:
    pages: int
    predecessor: tuple
    last_page_crc: int
    last_page: int
    torn_pages: int
    needed: tuple
    node: str
    version: str

    @classmethod
    def of(cls, body):
        fields = struct.unpack_from("<IIIIQIII", body)
        at = struct.calcsize("<IIIIQIII")
        texts = []
        for _ in range(2):
            texts.append(body[at + 1 : at + 1 + body[at]].decode())
            at += 1 + body[at]
        pages, epoch, number, crc, last_page, torn, needed_epoch, needed_number = fields
        return cls(
            pages, (epoch, number), crc, last_page, torn, (needed_epoch, needed_number), *texts
        )

    def describe(self):
        described = dataclasses.asdict(self)
        del described["version"]  # of the writer, not of the format
        return described


class Page:
    """One page, put together from its copies."""

    def __init__(self, raw):
        self.raw = raw
        self.has_header = has_intact_header(raw)
        self.records = []
        if self.has_header:
            header = PAGE_HEADER.unpack_from(raw)
            (_, self.major, self.minor, self.flags, self.log_id, _) = header[:6]
            (self.epoch, self.segment, self.number, self.flush_first) = header[6:10]
            (self.flush_pages, self.record_count, self.used_bytes, self.previous_crc) = header[
                10:14
            ]
            crcs = header[15:23]
            self.intact = [
                sector_crc(index, sector) == crcs[index]
                for index, sector in enumerate(sectors_of(raw))
            ]
        self.state = self._classify()

    def _classify(self):
        if not any(self.raw):
            return "zero"
        if self.has_header:
            if all(self.intact):
                return "valid"
            torn = all(
                intact or not any(sector)
                for intact, sector in zip(self.intact, sectors_of(self.raw))
            )
            return "torn" if torn else "damaged"
        return "damaged" if any(self.raw[:SECTOR_BYTES]) else "torn"

    def read_records(self, number):
        """Every intact record, wherever it begins: a torn page may have lost the ones before."""
        at = PAGE_HEADER.size
        while at + RECORD_HEADER.size <= PAGE_BYTES:
            record = self._record_at(at, number)
            if record is None:
                at += 8
                continue
            self.records.append(record)
            at += (RECORD_HEADER.size + len(record.body) + 7) // 8 * 8

    def _record_at(self, at, number):
        crc, length, kind, fragment, sequence = RECORD_HEADER.unpack_from(self.raw, at)
        end = at + RECORD_HEADER.size + length
        if kind == 0 or fragment >= len(FRAGMENTS) or end > PAGE_BYTES:
            return None
        if crc32c(self.raw[at + 4 : end] + struct.pack("<Q", number)) != crc:
            return None
        return Record(kind, fragment, sequence, self.raw[at + RECORD_HEADER.size : end])

    def describe(self, index):
        described = {"index": index, "state": self.state}
        if self.has_header:
            described.update(
                number=self.number,
                flags=[name for bit, name in FLAGS.items() if self.flags & bit],
                flush=[self.flush_first, self.flush_pages],
            )
        described["records"] = [record.describe() for record in self.records]
        return described


class Segment:
    NAME = re.compile(r"decision-(\d{10})-(\d{10})\.xlog")

    def __init__(self, path, log_id):
        self.name = path.name
        self.key = tuple(int(part) for part in self.NAME.fullmatch(path.name).groups())
        self.log_id = log_id
        content = path.read_bytes()
        content += bytes(-len(content) % PAGE_BYTES)
        raw = [content[at : at + PAGE_BYTES] for at in range(0, len(content), PAGE_BYTES)]
        self.file_pages = len(raw)
        intact = [page for page in raw if has_intact_header(page)]
        self.copies = 2 if intact and intact[0][6] & TWO_COPIES else 1
        if self.copies == 2:
            half = self._pages_of_a_copy(raw)
            second = raw[half : 2 * half] + [bytes(PAGE_BYTES)] * (2 * half - len(raw))
            raw = [put_together(copies) for copies in zip(raw[:half], second)]
        self.pages = [Page(page) for page in raw]
        self._place()
        self.head = self._find_head()

    @staticmethod
    def _pages_of_a_copy(raw):
        """By the head, should the file have been cut."""
        first = Page(raw[0])
        if first.has_header:
            first.read_records(first.number)
            for record in first.records[:1]:
                if record.kind == 6:
                    return SegmentHead.of(record.body).pages // 2
        return len(raw) // 2

    def _place(self):
        """Checks that each page is where it belongs, and reads the records."""
        base = next(
            (page.number - at for at, page in enumerate(self.pages) if page.has_header), None
        )
        if base is None:
            return
        for at, page in enumerate(self.pages):
            if page.has_header:
                if page.major != MAJOR:
                    raise Stop(
                        f"{self.name}: page {at} is of format {page.major}.{page.minor}; "
                        f"this reader knows {MAJOR}"
                    )
                before = self.pages[at - 1] if at > 0 else None
                is_ours = (page.log_id, page.epoch, page.segment, page.number) == (
                    self.log_id,
                    *self.key,
                    base + at,
                )
                is_chained = (
                    before is None
                    or before.state != "valid"
                    or page.previous_crc == crc32c(before.raw)
                )
                if not (is_ours and is_chained):
                    page.state = "damaged"
            page.read_records(base + at)

    def _find_head(self):
        for record in self.pages[0].records if self.pages else []:
            if record.kind == 6:
                return SegmentHead.of(record.body)
        return None

    @property
    def is_spare(self):
        return all(page.state == "zero" for page in self.pages)

    def acknowledged_pages(self, has_successor_in_epoch=False):
        """How many pages were durable: those of each flush behind which something stands."""
        with_header = [at for at, page in enumerate(self.pages) if page.has_header]
        if not with_header:
            return 0
        last = self.pages[with_header[-1]]
        first_of_flush = last.flush_first - (last.number - with_header[-1])
        end_of_flush = first_of_flush + last.flush_pages
        is_followed = has_successor_in_epoch or any(
            page.state != "zero" for page in self.pages[end_of_flush:]
        )
        return end_of_flush if is_followed else first_of_flush

    def judge(self, has_successor_in_epoch):
        """Rules 1, 3, 4 and 5 as far as one segment goes. Throws Stop."""
        for at, page in enumerate(self.pages):
            if page.state == "damaged":
                raise Stop(f"{self.name}: page {at} is damaged")
        for at, page in enumerate(self.pages[: self.acknowledged_pages(has_successor_in_epoch)]):
            if page.state != "valid":
                raise Stop(f"{self.name}: page {at} was acknowledged and is {page.state}")
        for page in self.pages:
            for record in page.records:
                if record.kind not in TYPES and not record.kind & IGNORABLE:
                    raise Stop(
                        f"{self.name}: record type {record.kind} is of a newer version than 1.0"
                    )
        if not self.has_whole_checkpoint() and self.acknowledged_pages() > 0:
            raise Stop(f"{self.name} is in use and has no whole checkpoint")
        if self.head and len(self.pages) < self.head.pages // self.copies:
            raise Stop(f"{self.name} is shorter than its head says")

    def has_whole_checkpoint(self):
        count = crc = 0
        for record in self.records():
            if record.kind == 1:
                count += 1
                crc = crc32c(struct.pack("<QQ", record.sequence, len(record.body)), crc)
                crc = crc32c(record.body, crc)
            elif record.kind == 4:
                return self.head is not None and struct.unpack("<QI", record.body) == (count, crc)
        return False

    def records(self):
        """Whole records in order, joined from their fragments."""
        parts = []
        for page in self.pages:
            for record in page.records:
                if record.fragment == 0:
                    yield record
                elif record.fragment == 1:
                    parts = [record]
                elif parts and parts[0].sequence == record.sequence:
                    parts.append(record)
                    if record.fragment == 3:
                        body = b"".join(part.body for part in parts)
                        yield Record(record.kind, 0, record.sequence, body)
                        parts = []

    def describe(self):
        return {
            "name": self.name,
            "file_pages": self.file_pages,
            "copies": None if self.is_spare else self.copies,
            "pages": [
                page.describe(at) for at, page in enumerate(self.pages) if page.state != "zero"
            ],
        }


class LiveSet:
    """What the records of a segment add up to."""

    def __init__(self):
        self.entries = {}
        self.forgotten = set()
        self.quarantined_through = 0
        self.notes = []

    def add(self, record):
        if record.kind == 1:
            self.entries[record.sequence] = record.body
        elif record.kind == 2:
            self.forgotten.add(struct.unpack("<Q", record.body)[0])
        elif record.kind == 5:
            epoch = struct.unpack("<I", record.body)[0]
            self.quarantined_through = max(self.quarantined_through, epoch)
        elif record.kind == 136:
            note = note_of(record.body)
            if note not in self.notes:
                self.notes.append(note)

    def live(self):
        return {key: body for key, body in self.entries.items() if key not in self.forgotten}


def find_counting(segments):
    """The segment that says what is live; `segments` from the oldest to the newest."""
    needed = (0, 0)
    newer_epoch = None
    for segment in reversed([one for one in segments if not one.is_spare]):
        segment.judge(has_successor_in_epoch=segment.key[0] == newer_epoch)
        if segment.has_whole_checkpoint():
            if segment.key < needed and needed not in [one.key for one in segments]:
                raise Stop(f"segment {needed} is gone, and its successor is not whole")
            return segment
        newer_epoch = segment.key[0]
        if segment.head:
            needed = max(needed, segment.head.predecessor)
    raise Stop("no segment has a whole checkpoint")


def describe_entry(entry_id, body):
    described = {"id": entry_id, "bytes": len(body), "crc": f"{crc32c(body):08x}"}
    if len(body) <= TEXT_BYTES_MAX:
        described["text"] = body.decode("latin-1")
    return described


def read_ident(path):
    text = path.read_bytes()
    body, crc_line = text[:-14], text[-14:]
    match = re.fullmatch(
        rb"xa_tm recovery log\nformat (\d+)\nid ([0-9a-f]{16})\nnode (.*)", body, re.DOTALL
    )
    if crc_line != f"\ncrc {crc32c(body):08x}\n".encode():
        raise Stop("the ident file is not as it was written")
    newer = re.match(rb"xa_tm recovery log\nformat (\d+)\n", body)
    if newer and int(newer[1]) != MAJOR:
        raise Stop(f"the log is of format {int(newer[1])}; this reader knows {MAJOR}")
    if not match:
        raise Stop("the ident file is not as it was written")
    log_id = int(match[2], 16)
    return struct.pack("<Q", log_id), {
        "format": int(match[1]),
        "log_id": f"{log_id:016x}",
        "node": match[3].decode("latin-1"),
    }


def decode(directory):
    result = {"verdict": "ok"}
    try:
        log_id, result["ident"] = read_ident(directory / "ident")
        paths = sorted(path for path in directory.iterdir() if Segment.NAME.fullmatch(path.name))
        segments = [Segment(path, log_id) for path in paths]
        result["segments"] = [segment.describe() for segment in segments]
        counting = find_counting(segments)
        live_set = LiveSet()
        for record in counting.records():
            live_set.add(record)
    except Stop as stop:
        return result | {"verdict": "stop", "reason": str(stop)}
    return result | {
        "counts": counting.name,
        "quarantined_through": live_set.quarantined_through,
        "notes": [{"when": when, "text": text} for when, text in live_set.notes],
        "entries": [describe_entry(*entry) for entry in sorted(live_set.live().items())],
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--expect", type=pathlib.Path, metavar="FILE")
    arguments = parser.parse_args()
    found = json.dumps(decode(arguments.directory), indent=1) + "\n"
    if arguments.expect is None:
        sys.stdout.write(found)
        return 0
    expected = arguments.expect.read_text(encoding="utf-8")
    sys.stdout.writelines(
        difflib.unified_diff(expected.splitlines(True), found.splitlines(True), "expected", "found")
    )
    return 0 if found == expected else 1


if __name__ == "__main__":
    sys.exit(main())
