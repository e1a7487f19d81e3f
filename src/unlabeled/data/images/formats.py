"""Which files are pictures: by their first bytes, by their extension, and by how many pixels they claim."""

import re

LIMIT = 89_478_485
"""The most pixels a picture may claim, Pillow's own warning threshold: beyond it lies a decompression bomb."""

BYTES = 1 << 30
"""The most bytes that a picture inside another file may have: it is held in memory whole."""

UNKNOWN = "not a picture in a known format"

NOT_REGULAR = "not a regular file"

NOT_UTF8 = "its name is not UTF-8"

JUNK = "__MACOSX"
"""The folder that a Mac's archiver leaves behind."""

_READ = "jpg jpeg jpe jfif png apng gif bmp dib tif tiff webp ppm pgm pbm pnm jp2 j2k j2c jpc avif qoi"
_FOREIGN = "heic heif jxl svg psd eps exr hdr tga ico pcx raw dng cr2 cr3 nef arw orf rw2"

EXTENSIONS = frozenset("." + name for name in _READ.split())
"""Extensions of the formats that `decode` reads, in lower case."""

FOREIGN = frozenset("." + name for name in _FOREIGN.split())
"""Extensions of pictures in formats that `decode` does not read: listed as skipped, never opened."""

_SIGNATURES = re.compile(
    rb"(?P<JPEG>\xff\xd8\xff)|(?P<PNG>\x89PNG\r\n\x1a\n)|(?P<GIF>GIF8[79]a)|(?P<WEBP>RIFF....WEBP)|(?P<BMP>BM)"
    rb"|(?P<TIFF>II[*+]\x00|MM\x00[*+])|(?P<PPM>P[1-6f]\s)|(?P<AVIF>....ftypavi[fs])|(?P<QOI>qoif)"
    rb"|(?P<JPEG2000>\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  \r\n\x87\n)",
    re.DOTALL,
)


def sniff(head: bytes) -> str | None:
    """Pillow's name of the format that a file's first bytes (16 suffice) announce, or None."""
    found = _SIGNATURES.match(head)
    return found.lastgroup if found else None


def extension_of(name: str) -> str:
    """The extension of a name, such as ".jpg", in lower case; "" where it has none."""
    stem, _, extension = name.rpartition(".")
    return f".{extension}".lower() if extension and stem and stem[-1] != "/" and "/" not in extension else ""


def foreign(extension: str) -> str:
    """The reason to skip a picture whose extension is one of `FOREIGN`."""
    return f"pictures of the kind {extension} are not read: convert it to JPEG or PNG"


def is_utf8(name: str) -> bool:
    """Whether a name, as the file system or an archive gives it, is sound Unicode."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def too_large(width: int, height: int) -> str | None:
    """The reason to refuse a picture of that many pixels, or None."""
    if width * height <= LIMIT:
        return None
    return f"too large: it claims {width} x {height} pixels, the limit is {LIMIT:,}"
