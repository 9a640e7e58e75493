"""What Windows reads in a program: its version resource and its manifest. Knows their formats, no packer."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Final

from chat_app import __version__

PRODUCT: Final = "Mind in a Box"
COMPANY: Final = "The Mind in a Box authors"
DESCRIPTION: Final = "A small language model that talks"
COPYRIGHT: Final = "MIT licence, The Mind in a Box authors"

# Cyrillic paths in the program's own code page, and paths longer than 260 characters.
MANIFEST: Final = """\
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly xmlns="urn:schemas-microsoft-com:asm.v1" manifestVersion="1.0">
  <trustInfo xmlns="urn:schemas-microsoft-com:asm.v3">
    <security>
      <requestedPrivileges>
        <requestedExecutionLevel level="asInvoker" uiAccess="false"/>
      </requestedPrivileges>
    </security>
  </trustInfo>
  <compatibility xmlns="urn:schemas-microsoft-com:compatibility.v1">
    <application>
      <supportedOS Id="{8e0f7a12-bfb3-4fe8-b9a5-48fd50a15a9a}"/>
    </application>
  </compatibility>
  <application xmlns="urn:schemas-microsoft-com:asm.v3">
    <windowsSettings>
      <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
      <longPathAware xmlns="http://schemas.microsoft.com/SMI/2016/WindowsSettings">true</longPathAware>
    </windowsSettings>
  </application>
</assembly>
"""

_VERSION_FILE: Final = """\
VSVersionInfo(
  ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3F, flags=0x0, OS=0x40004, fileType=0x1, subtype=0x0,
    date=(0, 0)),
  kids=[
    StringFileInfo([StringTable('040904B0', [{strings}])]),
    VarFileInfo([VarStruct('Translation', [1033, 1200])]),
  ]
)
"""
_RT_MANIFEST: Final = 24
_PROGRAM: Final = 1  # CREATEPROCESS_MANIFEST_RESOURCE_ID


def four(version: str) -> str:
    """A version as Windows counts them: 0.1.0 is 0.1.0.0."""
    numbers = [part for part in version.split(".") if part.isdecimal()]
    return ".".join((*numbers, "0", "0", "0", "0")[:4])


def version_resource(version: str = __version__) -> str:
    """The resource in the words of PyInstaller's version files."""
    told = {
        "CompanyName": COMPANY, "FileDescription": DESCRIPTION, "FileVersion": version,
        "InternalName": "mind-in-a-box", "LegalCopyright": COPYRIGHT, "OriginalFilename": "mind-in-a-box.exe",
        "ProductName": PRODUCT, "ProductVersion": version,
    }  # fmt: skip
    strings = ", ".join(f"StringStruct({key!r}, {value!r})" for key, value in told.items())
    return _VERSION_FILE.format(numbers=tuple(map(int, four(version).split("."))), strings=strings)


def version_file(folder: Path) -> Path:
    """The resource as a file in `folder`."""
    path = folder / "version.txt"
    path.write_text(version_resource(), "utf-8")
    return path


def put_manifest(executable: Path) -> None:
    """Give a finished program this manifest. OSError where Windows refuses."""
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined, unused-ignore]
    kernel.BeginUpdateResourceW.restype = ctypes.c_void_p
    kernel.UpdateResourceW.argtypes = (
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_ushort, ctypes.c_char_p, ctypes.c_ulong,
    )  # fmt: skip
    kernel.EndUpdateResourceW.argtypes = (ctypes.c_void_p, ctypes.c_int)
    data = MANIFEST.encode()
    handle = kernel.BeginUpdateResourceW(str(executable), False)
    if not (
        handle
        and kernel.UpdateResourceW(handle, _RT_MANIFEST, _PROGRAM, 0, data, len(data))
        and kernel.EndUpdateResourceW(handle, False)
    ):
        raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined, unused-ignore]
