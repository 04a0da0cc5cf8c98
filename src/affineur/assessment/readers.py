"""What is read of an image beside its packages: the files that package managers go by, all in one walk."""

from affineur.image.reader import Reader, Verbatim
from affineur.packages.rpm.keys import RPM_KEYS
from affineur.repositories.apk.configuration import PATHS as APK_PATHS
from affineur.repositories.apt.configuration import PATHS as APT_PATHS
from affineur.repositories.rpmmd.configuration import PATHS as RPM_PATHS

__all__ = ["APK", "APT", "KEYRINGS", "READERS", "RPM", "RPM_KEYS"]

APT = Verbatim("apt", 1, APT_PATHS)
KEYRINGS = Verbatim("keyrings", 1, ("usr/share/keyrings/*",))
RPM = Verbatim("rpm repositories", 1, RPM_PATHS)
APK = Verbatim("apk repositories", 1, APK_PATHS)
READERS: tuple[Reader, ...] = (APT, KEYRINGS, RPM, RPM_KEYS, APK)
