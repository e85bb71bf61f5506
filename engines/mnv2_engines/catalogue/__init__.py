"""The networks that can be downloaded: how they are fetched, and how their files are checked."""

from mnv2_engines.catalogue.download import RetryPolicy
from mnv2_engines.catalogue.entries import (
    CatalogueModel,
    KnownModels,
    RemoteFile,
    StatedPreprocess,
    read_package_catalogue,
    read_user_catalogue,
)
from mnv2_engines.catalogue.home import ModelHome, read_pins, read_pulled
from mnv2_engines.catalogue.model_file import parse_mirror
from mnv2_engines.catalogue.pull import PulledModel, PullOptions, fill_mirror, installed_model, pull_model
from mnv2_engines.catalogue.user_models import NewModel, RemovedModel, add_model, remove_model, require_removable

__all__ = [
    "CatalogueModel",
    "KnownModels",
    "ModelHome",
    "NewModel",
    "PullOptions",
    "PulledModel",
    "RemoteFile",
    "RemovedModel",
    "RetryPolicy",
    "StatedPreprocess",
    "add_model",
    "fill_mirror",
    "installed_model",
    "parse_mirror",
    "pull_model",
    "read_package_catalogue",
    "read_pins",
    "read_pulled",
    "read_user_catalogue",
    "remove_model",
    "require_removable",
]
