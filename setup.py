"""Maps the rooms at the top of the repository into the one import package `headscope`."""

from setuptools import find_packages, setup

ROOMS = ("analysis", "dashboard", "datasets", "migrations", "storage")

setup(
    packages=[
        *find_packages(include=["headscope*"]),
        *(f"headscope.{name}" for name in find_packages(include=[f"{room}*" for room in ROOMS])),
    ],
    package_dir={f"headscope.{room}": room for room in ROOMS},
)
