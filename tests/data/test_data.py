from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import pickle
import re
import shutil
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from sklearn.datasets import load_digits
from support.runs import make_folder

from delog_nb import Experiment, data
from delog_nb.data import DataError, decoding
from delog_nb.data.images import statistics, stratified
from delog_nb.data.sources import folder, tiny_imagenet
from delog_nb.data.sources.digits import read_digits
from delog_nb.data.sources.tiny_imagenet import TinyImageNetSource


def load(**values: object) -> data.ImageData:
    return data.load(Experiment(**values))


def test_digits_are_those_that_scikit_learn_reads() -> None:
    expected = load_digits()
    train_x, train_y, test_x, test_y = read_digits()
    pixels = np.concatenate([train_x, test_x])[..., 0] * (16 / 255)
    found = np.column_stack([pixels.round().reshape(1797, 64), np.concatenate([train_y, test_y])])
    wanted = np.column_stack([expected.data, expected.target])
    assert sorted(map(tuple, found)) == sorted(map(tuple, wanted))


def test_digits_are_real_digits_split_by_class() -> None:
    digits = load(dataset="digits")
    assert digits.shape == (1, 16, 16)
    assert digits.train.images.dtype == torch.uint8
    assert digits.train.labels.dtype == torch.int64
    assert len(digits.train) + len(digits.val) + len(digits.test) == 1797
    for split in (digits.train, digits.val, digits.test):
        shares = torch.bincount(split.labels, minlength=10) / len(split)
        assert shares.min() > 0.08
        assert shares.max() < 0.12
    # the mean image of a one is dark at the left edge and bright in the middle, a zero's is not
    ones = digits.train.images[digits.train.labels == 1].float().mean((0, 1))
    zeros = digits.train.images[digits.train.labels == 0].float().mean((0, 1))
    assert ones[8, 8] > 150 > zeros[8, 8]


def test_no_image_is_in_two_splits() -> None:
    digits = load(dataset="digits", image_size=8)
    sets = [
        {image.numpy().tobytes() for image in split.images}
        for split in (digits.train, digits.val, digits.test)
    ]
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]


def test_mean_and_deviation_make_the_training_images_standard() -> None:
    digits = load(dataset="digits", val_fraction=0)
    views = data.Views(digits.mean, digits.std)
    images = views.normalize(digits.train.images)
    assert images.mean().item() == pytest.approx(0, abs=1e-5)
    assert images.std().item() == pytest.approx(1, abs=1e-3)


def test_statistics_equal_numpys() -> None:
    images = np.random.default_rng(0).integers(0, 200, (50, 7, 7, 3), dtype=np.uint8)
    mean, std = statistics(images)
    np.testing.assert_allclose(mean, (images / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (images / 255).std((0, 1, 2)), rtol=1e-12)


@pytest.mark.parametrize("count", [10, 11, 55, 99, 100])
def test_stratified_keeps_balanced_classes_balanced(count: int) -> None:
    labels = np.random.default_rng(0).permutation(np.arange(100) % 10)
    chosen = stratified(labels, count, np.random.default_rng(1))
    assert len(set(chosen)) == count
    sizes = np.bincount(labels[chosen], minlength=10)
    assert sizes.max() - sizes.min() <= 1


def test_stratified_keeps_shares_and_rare_classes() -> None:
    labels = np.array([0] * 900 + [1] * 99 + [2])
    sizes = np.bincount(labels[stratified(labels, 100, np.random.default_rng(0))])
    assert sizes.tolist() in ([90, 9, 1], [89, 10, 1])


def test_limit_and_split_depend_on_the_seed_alone() -> None:
    one, two = (load(dataset="digits", limit=100, seed=3) for _ in range(2))
    other = load(dataset="digits", limit=100, seed=4)
    assert torch.equal(one.train.images, two.train.images)
    assert torch.equal(one.val.images, two.val.images)
    assert not torch.equal(one.train.images, other.train.images)
    assert (len(one.train), len(one.val)) == (90, 10)
    assert torch.bincount(one.train.labels).tolist() == [9] * 10


def test_a_limit_that_leaves_nothing() -> None:
    with pytest.raises(DataError, match="limit = 1 leaves 1 training images"):
        load(dataset="digits", limit=1)


# --- image folders


def test_folder(image_folder: Path) -> None:
    images = load(dataset="folder", data_dir=image_folder, image_size=12, val_fraction=0)
    assert images.shape == (3, 12, 12)
    assert images.classes == ("cat", "dog")
    assert images.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    first = Image.open(image_folder / "train/cat/0.png").resize((12, 12), Image.Resampling.BICUBIC)
    expected = torch.from_numpy(np.array(first)).permute(2, 0, 1)
    assert torch.equal(images.train.images[0], expected)
    assert data.shape(Experiment(dataset="folder", data_dir=image_folder)) == ((3, 32, 32), 2)


def test_images_are_decoded_once(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(dataset="folder", data_dir=image_folder, val_fraction=0)
    monkeypatch.setattr(decoding.Image, "open", lambda *_: pytest.fail("decoded again"))
    again = load(dataset="folder", data_dir=image_folder, val_fraction=0)
    assert torch.equal(first.train.images, again.train.images)
    monkeypatch.undo()
    Image.new("RGB", (20, 30)).save(image_folder / "train/cat/0.png")  # a change is seen
    changed = load(dataset="folder", data_dir=image_folder, val_fraction=0)
    assert not changed.train.images[0].any()


def test_a_damaged_cache_file_is_replaced(image_folder: Path, cache: Path) -> None:
    first = load(dataset="folder", data_dir=image_folder, val_fraction=0)
    newest = max((cache / "decoded").glob("folder-*"), key=lambda p: p.stat().st_mtime_ns)
    newest.write_bytes(newest.read_bytes()[:200])
    again = load(dataset="folder", data_dir=image_folder, val_fraction=0)
    assert torch.equal(first.train.images, again.train.images)


def spoil(root: Path, how: str) -> str:
    """Spoil an image folder; the words that the error must say."""
    if how == "no test folder":
        shutil.rmtree(root / "test")
        return f"there is no folder {root / 'test'}"
    if how == "no classes":
        shutil.rmtree(root / "train")
        (root / "train").mkdir()
        return "holds no class folders"
    if how == "empty class":
        for file in (root / "train/dog").iterdir():
            file.unlink()
        return f"class folder {root / 'train/dog'} is empty"
    if how == "other classes":
        (root / "test/dog").rename(root / "test/cow")
        return f"dog in {root / 'train'} but not in {root / 'test'}"
    file = root / "train/dog/1.png"
    if how == "truncated":
        file.write_bytes(file.read_bytes()[:-400])
    else:
        file.write_text("no image")
    return f"{file} is not a readable image"


@pytest.mark.parametrize(
    "how",
    ["no test folder", "no classes", "empty class", "other classes", "truncated", "not an image"],
)
def test_what_is_wrong_with_a_folder_is_named(image_folder: Path, how: str) -> None:
    words = spoil(image_folder, how)
    with pytest.raises(DataError) as caught:
        load(dataset="folder", data_dir=image_folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


# some of them Pillow only warns of, others it refuses itself
@pytest.mark.parametrize(
    "size", [(4473, 4473), (10_000, 10_000), (20_000, 20_000), (1, 30_000_000)]
)
def test_an_image_of_too_many_pixels_is_refused_by_its_header(
    size: tuple[int, int], image_folder: Path, monkeypatch: pytest.MonkeyPatch, recwarn: Any
) -> None:
    path = image_folder / "train/dog/1.png"
    path.write_bytes(png_header(*size))
    with pytest.raises(DataError) as caught:
        load(dataset="folder", data_dir=image_folder)
    said = str(caught.value)
    assert str(path) in said
    if size[0] * size[1] < Image.MAX_IMAGE_PIXELS * 2:
        assert f"has {size[0]:,} x {size[1]:,} pixels: at most 20,000,000 are allowed" in said
    assert not [w for w in recwarn if issubclass(w.category, Image.DecompressionBombWarning)]
    path.write_bytes(png_header(4472, 4472))  # just small enough to be decoded, and empty
    with pytest.raises(DataError, match="is not a readable image"):
        load(dataset="folder", data_dir=image_folder)
    with pytest.raises(DataError, match=r"image 2 has 5,000 x 4,001 pixels"):
        data.as_pixels([Image.new("L", (9, 9)), Image.new("L", (5000, 4001))], (1, 8, 8))


def test_files_that_are_images_by_their_names_alone(image_folder: Path) -> None:
    """Pillow would start another program for PostScript."""
    path = image_folder / "train/dog/1.png"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")
    with pytest.raises(DataError, match=r"1\.png is not a readable image"):
        load(dataset="folder", data_dir=image_folder)
    path.unlink()
    os.mkfifo(path)  # is no file of the class
    assert len(load(dataset="folder", data_dir=image_folder, val_fraction=0).train) == 5


def test_large_files_are_not_read(image_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_MOST_BYTES", 1000)
    with pytest.raises(DataError, match=r"\.png has more than the 0\.001 MB that are read of it"):
        load(dataset="folder", data_dir=image_folder)


def test_pipes_in_the_place_of_cached_files_are_replaced(image_folder: Path, cache: Path) -> None:
    first = load(dataset="folder", data_dir=image_folder, val_fraction=0)
    for path in [*(cache / "decoded").glob("folder-*"), *(cache / "content").glob("folder-*")]:
        path.unlink()
        os.mkfifo(path)
    again = load(dataset="folder", data_dir=image_folder, val_fraction=0)
    assert torch.equal(first.train.images, again.train.images)


def test_images_are_counted_without_reading_one(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding.Image, "open", lambda *_: pytest.fail("read"))
    assert data.count(Experiment(dataset="folder", data_dir=image_folder)) == (6, 6)
    assert data.count(Experiment(dataset="cifar10")) == (50_000, 10_000)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"val_fraction": 5}, "val_fraction = 5 is not allowed: a number from 0 to 0.5"),
        ({"val_fraction": float("nan")}, "val_fraction = nan"),
        ({"seed": 10**400}, "seed = 1000"),
        ({"train_labels": np.array([0, 10**18])}, "label 1000000000000000000 is not allowed"),
    ],
)
def test_numbers_beside_arrays_are_bounded(changed: dict[str, Any], words: str) -> None:
    images, labels = np.zeros((2, 8, 8), np.uint8), np.array([0, 1])
    given = {"train_images": images, "train_labels": labels}
    given |= {"test_images": images, "test_labels": labels}
    with pytest.raises(DataError, match=re.escape(words)):
        data.arrays(**given | changed)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere does not exist"):
        load(dataset="folder", data_dir=tmp_path / "nowhere")
    deep = tmp_path.joinpath(*["x" * 250] * 15)  # longer than a path can be
    with pytest.raises(DataError, match="x does not exist"):
        load(dataset="folder", data_dir=deep)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, image_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DELOG_NB_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="point DELOG_NB_CACHE at a folder that can be written"):
        load(dataset="folder", data_dir=image_folder)


# --- Tiny-ImageNet


def make_tiny(root: Path) -> Path:
    root = root / "tiny-imagenet-200"
    rng = np.random.default_rng(0)

    def image(path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)

    for wnid in ("n02", "n01"):
        for k in range(3):
            image(root / f"train/{wnid}/images/{wnid}_{k}.JPEG")
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text("")
    for k in range(4):
        image(root / f"val/images/val_{k}.JPEG")
    (root / "wnids.txt").write_text("n02\nn01\n")
    (root / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tbullfrog\n")
    (root / "val/val_annotations.txt").write_text(
        "".join(f"val_{k}.JPEG\tn0{1 + k % 2}\t0\t0\t9\t9\n" for k in range(4))
    )
    return root


def zipped(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, Path(folder.name) / file.relative_to(folder))
    return path


@pytest.mark.parametrize("size", [32, 64])
def test_tiny_imagenet_folder_and_zip_are_the_same(tmp_path: Path, size: int) -> None:
    root = make_tiny(tmp_path)
    found = [
        load(dataset="tiny-imagenet", data_dir=path, image_size=size, val_fraction=0)
        for path in (root, root.parent, zipped(root, tmp_path / "tiny.zip"))
    ]
    for images in found:
        assert images.classes == ("bullfrog", "goldfish")
        assert images.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert images.test.labels.tolist() == [1, 0, 1, 0]
        assert images.shape == (3, size, size)
        assert torch.equal(images.train.images, found[0].train.images)
        assert torch.equal(images.test.images, found[0].test.images)


def test_the_real_tiny_imagenet_layout(test_data: Path) -> None:
    path = test_data / "tiny-imagenet-200-mini.zip"
    images = load(dataset="tiny-imagenet", data_dir=path, val_fraction=0)
    assert images.train.images.shape == (2000, 3, 32, 32)
    assert images.test.images.shape == (1000, 3, 32, 32)
    assert torch.bincount(images.train.labels).tolist() == [10] * 200
    assert torch.bincount(images.test.labels).tolist() == [5] * 200
    assert "goldfish" in images.classes


@pytest.mark.parametrize("member", ["../evil.txt", "/etc/evil", "a/../../evil", "C:\\evil"])
def test_an_archive_that_leaves_its_folder_is_refused(tmp_path: Path, member: str) -> None:
    path = zipped(make_tiny(tmp_path), tmp_path / "tiny.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "x")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="a path that leaves its folder"):
        load(dataset="tiny-imagenet", data_dir=path)
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wnids.txt", "has no wnids.txt"),
        ("val/val_annotations.txt", "has no val/val_annotations.txt"),
        ("val/images/val_2.JPEG", "has no val/images/val_2.JPEG"),
    ],
)
def test_an_incomplete_tiny_imagenet_is_named(tmp_path: Path, name: str, words: str) -> None:
    root = make_tiny(tmp_path)
    (root / name).unlink()
    with pytest.raises(DataError, match=words):
        load(dataset="tiny-imagenet", data_dir=root)


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "tiny.zip"
    path.write_bytes(b"PK no zip")
    with pytest.raises(DataError, match=r"tiny\.zip is not a readable zip file"):
        load(dataset="tiny-imagenet", data_dir=path)
    with pytest.raises(DataError, match="there is no"):
        TinyImageNetSource(tmp_path / "nothing")


# --- downloads, from a server on this machine


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""
    folder = tmp_path / "served"
    folder.mkdir()
    quiet = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    handler = functools.partial(quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{httpd.server_port}/"
        httpd.shutdown()
        thread.join()


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def serve_cifar10(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """An archive in CIFAR-10's own layout with 6 + 2 images; returns the training pixels."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 3072), dtype=np.uint8)
    members = {
        "data_batch_1": {"data": pixels[:6], "labels": [0, 1] * 3},
        "test_batch": {"data": pixels[6:], "labels": [0, 1]},
        "batches.meta": {"label_names": ["cat", "dog"]},
    }
    sums = {}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            packed = pickle.dumps(content)
            sums[name] = md5(packed)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(packed)
            archive.addfile(info, io.BytesIO(packed))
    (folder / "cifar-10-python.tar.gz").write_bytes(stream.getvalue())
    cifar = torchvision.datasets.CIFAR10
    monkeypatch.setattr(cifar, "url", address + "cifar-10-python.tar.gz")
    monkeypatch.setattr(cifar, "tgz_md5", md5(stream.getvalue()))
    monkeypatch.setattr(cifar, "train_list", [["data_batch_1", sums["data_batch_1"]]])
    monkeypatch.setattr(cifar, "test_list", [["test_batch", sums["test_batch"]]])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]}
    monkeypatch.setattr(cifar, "meta", meta)
    return pixels[:6].reshape(6, 3, 32, 32)


def test_cifar10_is_downloaded_once_into_the_cache(
    server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELOG_NB_CACHE", str(tmp_path / "cache"))
    pixels = serve_cifar10(*server, monkeypatch)
    images = load(dataset="cifar10", val_fraction=0)
    np.testing.assert_array_equal(images.train.images.numpy(), pixels)
    assert images.mean == (0.4914, 0.4822, 0.4465)
    (server[0] / "cifar-10-python.tar.gz").unlink()
    shutil.rmtree(tmp_path / "cache/downloads")
    assert len(load(dataset="cifar10", val_fraction=0).train) == 6


def test_a_wrong_checksum_is_refused_before_anything_is_unpacked(
    server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELOG_NB_CACHE", str(tmp_path / "cache"))
    serve_cifar10(*server, monkeypatch)
    with (server[0] / "cifar-10-python.tar.gz").open("ab") as file:
        file.write(b"tampered")
    with pytest.raises(DataError, match=r"could not get cifar-10-python\.tar\.gz .*put it at"):
        load(dataset="cifar10")
    assert not list((tmp_path / "cache").rglob("*batch*"))


@pytest.mark.parametrize("name", ["fashion-mnist", "cifar10", "cifar100", "tiny-imagenet"])
def test_no_network_says_what_to_download_and_where_to_put_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELOG_NB_CACHE", str(tmp_path))
    closed = "http://127.0.0.1:9/"
    for dataset in ("CIFAR10", "CIFAR100"):
        monkeypatch.setattr(getattr(torchvision.datasets, dataset), "url", closed + "x.tar.gz")
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [closed])
    monkeypatch.setattr(tiny_imagenet, "URL", closed + "tiny.zip")
    with pytest.raises(DataError) as caught:
        load(dataset=name)
    words = str(caught.value)
    assert closed in words
    assert f"put it at {tmp_path / 'downloads'}" in words
    assert "\n" not in words


def test_tiny_imagenet_is_downloaded(
    server: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELOG_NB_CACHE", str(tmp_path / "cache"))
    path = zipped(make_tiny(tmp_path), server[0] / "tiny.zip")
    monkeypatch.setattr(tiny_imagenet, "URL", server[1] + "tiny.zip")
    monkeypatch.setattr(tiny_imagenet, "MD5", "0" * 32)
    with pytest.raises(DataError, match=r"could not get tiny-imagenet-200\.zip"):
        load(dataset="tiny-imagenet")
    monkeypatch.setattr(tiny_imagenet, "MD5", md5(path.read_bytes()))
    assert len(load(dataset="tiny-imagenet", val_fraction=0).train) == 6


# --- the real images


def test_cifar10_jpeg_as_a_folder(cifar10_jpeg: Path) -> None:
    images = load(dataset="folder", data_dir=cifar10_jpeg, limit=500)
    assert images.classes[0] == "airplane"
    assert len(images.classes) == 10
    assert torch.bincount(images.train.labels).tolist() == [45] * 10
    # the published statistics of CIFAR-10, near which those of any sample lie
    np.testing.assert_allclose(images.mean, (0.4914, 0.4822, 0.4465), atol=0.02)
    np.testing.assert_allclose(images.std, (0.247, 0.243, 0.262), atol=0.02)


def test_folder_classes_may_have_any_name(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "x", ("a b", "ü", "00"))
    assert load(dataset="folder", data_dir=root, val_fraction=0).classes == ("00", "a b", "ü")
