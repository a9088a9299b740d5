import numpy as np
import pytest
from PIL import Image

from hanas.core.errors import InputError
from hanas.data import images as images_in_memory
from hanas.data.datasets import image_folder


def write_picture(path, seed, size=(12, 9)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def pets(tmp_path):
    """Two classes of ten images of different sizes and suffixes."""
    for label, name in enumerate(("cat", "dog")):
        for i in range(10):
            suffix = (".png", ".jpg", ".BMP")[i % 3]
            write_picture(tmp_path / "pets" / name / f"{i}{suffix}", 10 * label + i, (9 + i, 12))
    return tmp_path / "pets"


def load_pets(pets, **settings):
    return of_pets(**settings).load(pets.parent, pets.parent / "d")


def of_pets(**settings):
    settings = {"kind": "image_folder", "folder": "pets", "resolution": 8, **settings}
    return image_folder.ImageFolder.read(settings)


def test_class_folders_are_split_by_seed_class_by_class(pets):
    data = load_pets(pets, validation_fraction=0.2, test_fraction=0.3)
    assert data.images.shape == (20, 8, 8, 3)
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [0] * 10 + [1] * 10
    for name, size in (("train", 5), ("validation", 2), ("test", 3)):
        assert np.bincount(data.labels[data.splits[name]]).tolist() == [size, size]
    again = load_pets(pets, validation_fraction=0.2, test_fraction=0.3)
    np.testing.assert_array_equal(again.images, data.images)
    assert again.splits["test"].tolist() == data.splits["test"].tolist()
    assert again.sources == data.sources
    other = load_pets(pets, validation_fraction=0.2, test_fraction=0.3, split_seed=1)
    assert other.splits["test"].tolist() != data.splits["test"].tolist()


def test_folder_may_be_absolute_and_leftovers_of_file_managers_do_not_count(pets):
    data = load_pets(pets)
    (pets / ".DS_Store").write_bytes(b"x")
    (pets / "README.txt").write_text("My pets.")
    (pets / "cat" / "Thumbs.db").write_bytes(b"x")
    same = load_pets(pets, folder=str(pets))
    assert same.sources == data.sources


def test_digest_depends_on_names_and_contents(pets):
    before = load_pets(pets).sources[0]["checksum"]
    (pets / "cat" / "0.png").rename(pets / "cat" / "00.png")
    renamed = load_pets(pets).sources[0]["checksum"]
    write_picture(pets / "cat" / "00.png", 99)
    changed = load_pets(pets).sources[0]["checksum"]
    assert len({before, renamed, changed}) == 3


@pytest.mark.parametrize("name", ["val", "validation"])
def test_given_splits_are_kept(tmp_path, name):
    for part, size in (("train", 3), (name, 2), ("test", 1)):
        for label in ("cat", "dog"):
            for i in range(size):
                write_picture(tmp_path / "pets" / part / label / f"{i}.png", i)
    data = load_pets(tmp_path / "pets")
    assert {part: indices.tolist() for part, indices in data.splits.items()} == {
        "train": [0, 1, 2, 3, 4, 5],
        "validation": [6, 7, 8, 9],
        "test": [10, 11],
    }
    assert data.labels.tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1]


def test_split_that_no_folder_gives_is_drawn_from_the_training_images(tmp_path):
    for part, size in (("train", 10), ("test", 2)):
        for label in ("cat", "dog"):
            for i in range(size):
                write_picture(tmp_path / "pets" / part / label / f"{i}.png", i)
    data = load_pets(tmp_path / "pets", validation_fraction=0.3)
    assert data.splits["test"].tolist() == [20, 21, 22, 23]
    assert len(data.splits["validation"]) == 6
    assert data.splits["validation"].max() < 20


def empty_class(pets):
    (pets / "bird").mkdir()


def unreadable_image(pets):
    (pets / "dog" / "3.png").write_bytes((pets / "dog" / "3.png").read_bytes()[:80])


def other_file(pets):
    (pets / "dog" / "notes.txt").write_text("Rex")


def disguised_file(pets):
    (pets / "dog" / "notes.png").write_text("Rex")


def loose_image(pets):
    write_picture(pets / "lost.png", 0)


def nested_folder(pets):
    (pets / "dog" / "puppies").mkdir()


def link_out(pets):
    write_picture(pets.parent / "outside.png", 0)
    (pets / "dog" / "linked.png").symlink_to(pets.parent / "outside.png")


def folder_link_out(pets):
    write_picture(pets.parent / "outside" / "0.png", 0)
    (pets / "wolf").symlink_to(pets.parent / "outside")


def link_to_itself(pets):
    (pets / "dog" / "loop.png").symlink_to(pets / "dog" / "loop.png")


def too_few(pets):
    write_picture(pets / "bird" / "0.png", 0)
    write_picture(pets / "bird" / "1.png", 0)


def name_that_a_terminal_obeys(pets):
    (pets / "dog").rename(pets / "\x1b[31mdog")


def reserved_name(pets):
    write_picture(pets / "test" / "0.png", 0)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (empty_class, "class 'bird' is empty"),
        (unreadable_image, r"dog/3\.png: not readable as a picture"),
        (other_file, r"dog/notes\.txt: not an image; expected one of \.bmp, \.gif"),
        (disguised_file, r"dog/notes\.png: not readable as a picture"),
        (loose_image, r"lost\.png: this image is in no class folder"),
        (nested_folder, "dog/puppies: a folder in a class folder"),
        (link_out, r"dog/linked\.png: a link that leads out"),
        (folder_link_out, r"wolf/0\.png: a link that leads out"),
        (link_to_itself, r"dog/loop\.png: (a link that leads out|not an image)"),
        (too_few, r"pets: class 'bird' has 2 image\(s\) and 3 parts to fill"),
        (name_that_a_terminal_obeys, "a class of that name cannot be shown; rename the folder"),
        (reserved_name, "pets: has cat, dog, test; expected train"),
    ],
)
def test_spoiled_folder_is_refused_and_the_place_named(pets, spoil, message):
    load_pets(pets)
    spoil(pets)
    with pytest.raises(InputError, match=message):
        load_pets(pets)


def test_missing_or_empty_folder(tmp_path):
    with pytest.raises(InputError, match="pets: there is no such folder"):
        load_pets(tmp_path / "pets")
    (tmp_path / "pets").mkdir()
    with pytest.raises(InputError, match="pets: no class folders in it"):
        load_pets(tmp_path / "pets")
    write_picture(tmp_path / "pets" / "cat" / "0.png", 0)
    with pytest.raises(InputError, match=r"parts to fill|at least two"):
        load_pets(tmp_path / "pets")


def test_classes_must_be_the_same_in_each_split(tmp_path):
    for part, labels in (("train", ("cat", "dog")), ("test", ("cat", "wolf"))):
        for label in labels:
            write_picture(tmp_path / "pets" / part / label / "0.png", 0)
    with pytest.raises(InputError, match="test: its classes are not those of train: dog, wolf"):
        load_pets(tmp_path / "pets")


def test_everything_that_is_wrong_is_named_at_once(pets):
    for spoil in (unreadable_image, other_file, disguised_file, loose_image, nested_folder):
        spoil(pets)
    (pets / "cat" / "empty.png").write_bytes(b"")
    empty_class(pets)
    with pytest.raises(InputError) as told:
        load_pets(pets)
    first, *lines = str(told.value).split("\n")
    assert first == f"{pets}: 7 things to mend"
    named = [line.split(": ")[0].removeprefix(f"{pets}/") for line in lines]
    assert sorted(named) == [
        *("bird", "cat/empty.png", "dog/3.png", "dog/notes.png", "dog/notes.txt", "dog/puppies"),
        "lost.png",
    ]


# ---- copies -------------------------------------------------------------------------------------


@pytest.fixture
def given_splits(tmp_path):
    """Six different pictures a class for training, three to validate and three to test on."""
    seed = 0
    for part, size in (("train", 6), ("validation", 3), ("test", 3)):
        for label in ("cat", "dog"):
            for i in range(size):
                write_picture(tmp_path / "pets" / part / label / f"{i}.png", seed := seed + 1)
    return tmp_path / "pets"


def copy(folder, source, target):
    """Save a picture in another file of another format."""
    Image.open(folder / source).save(folder / target)


def test_without_copies_nothing_is_said(given_splits, capsys):
    assert load_pets(given_splits).warnings == ()
    assert "copies: " not in capsys.readouterr().out


def test_copies_in_two_splits_are_named(given_splits, capsys):
    copy(given_splits, "train/cat/1.png", "test/cat/again.bmp")
    copy(given_splits, "train/dog/2.png", "train/dog/again.bmp")  # in one split: no harm
    copy(given_splits, "validation/dog/0.png", "test/dog/again.tiff")
    data = load_pets(given_splits)
    (warning,) = data.warnings
    assert "2 pictures are in two splits" in warning
    assert "set copies: leave_out" in warning
    said = capsys.readouterr().out
    for pair in (
        "train/cat/1.png (train) = test/cat/again.bmp (test)",
        "validation/dog/0.png (validation) = test/dog/again.tiff (test)",
    ):
        assert pair in warning
        assert f"copies: {pair}\n" in said
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [13, 6, 8]


def test_copies_can_be_left_out_of_what_learns(given_splits):
    whole = load_pets(given_splits)
    copy(given_splits, "train/cat/1.png", "test/cat/again.bmp")
    copy(given_splits, "train/cat/2.png", "validation/cat/again.bmp")
    copy(given_splits, "validation/dog/0.png", "test/dog/again.bmp")
    data = load_pets(given_splits, copies="leave_out")
    assert data.warnings == ()  # what is mended is no reason for doubt
    assert data.sources[0]["how"].endswith(
        "3 of them left out as copies of what validates or tests"
    )
    assert [len(data.splits[name]) for name in ("train", "validation", "test")] == [10, 6, 8]
    pixels = {name: {data.images[i].tobytes() for i in of} for name, of in data.splits.items()}
    assert not pixels["train"] & (pixels["validation"] | pixels["test"])
    assert not pixels["validation"] & pixels["test"]
    again = load_pets(given_splits)
    assert len(again.splits["train"]) == len(whole.splits["train"])


def test_one_picture_in_two_classes_is_named(given_splits):
    copy(given_splits, "train/cat/1.png", "train/dog/cat.png")
    (warning,) = load_pets(given_splits).warnings
    assert "1 picture is in two classes: train/cat/1.png (train) = train/dog/cat.png" in warning


def test_many_copies_are_counted_and_the_log_has_all(given_splits, capsys):
    for label in ("cat", "dog"):
        for i in range(6):
            copy(given_splits, f"train/{label}/{i}.png", f"test/{label}/again{i}.png")
    (warning,) = load_pets(given_splits).warnings
    assert warning.startswith("12 pictures are in two splits")
    assert "and 9 more, in the log" in warning
    assert capsys.readouterr().out.count("copies: ") == 12


def test_leaving_all_out_is_refused(tmp_path):
    for part in ("train", "validation", "test"):
        for label, seed in (("cat", 1), ("dog", 2)):
            write_picture(tmp_path / "pets" / part / label / "0.png", seed)
    with pytest.raises(InputError, match="leaves no picture of class 'cat' in validation"):
        load_pets(tmp_path / "pets", copies="leave_out")


# ---- more than 8 bits ---------------------------------------------------------------------------


def write_deep(path, values, form="tif"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path.with_suffix(f".{form}"))


@pytest.mark.parametrize(
    ("low", "high", "dtype", "form"),
    [
        (0, 4095, np.uint16, "png"),  # 12 bits of a sensor
        (7000, 8500, np.uint16, "tif"),  # of a thermal camera
        (0, 600, np.int32, "tif"),
        (-20, 45, np.float32, "tif"),
    ],
)
def test_deep_pictures_are_scaled_by_the_range_of_all_of_them(tmp_path, low, high, dtype, form):
    rng, values = np.random.default_rng(0), []
    for label in ("cat", "dog"):
        for i in range(6):
            values.append((low + rng.random((8, 8)) * (high - low)).astype(dtype))
            write_deep(tmp_path / "pets" / label / str(i), values[-1], form)
    data = load_pets(tmp_path / "pets")
    whole = np.stack(values).astype(np.float64)
    lowest, highest = whole.min(), whole.max()
    assert data.value_range == (lowest, highest)
    expected = (whole - lowest) / (highest - lowest) * 255
    assert np.abs(data.images[..., 0] - expected).max() < 0.51
    assert (data.images == data.images[..., :1]).all()
    assert f"values {lowest:g} to {highest:g} became 0 to 255" in data.sources[0]["how"]
    assert data.warnings == ()


def test_a_hot_pixel_is_told_and_a_range_can_be_set(tmp_path):
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        for i in range(6):
            values = rng.integers(7000, 7200, (8, 8)).astype(np.uint16)
            values[0, 0] = 65535 if i == 0 else values[0, 0]
            write_deep(tmp_path / "pets" / label / str(i), values)
    data = load_pets(tmp_path / "pets")
    (warning,) = data.warnings
    assert "of 256 levels" in warning
    low, high = map(float, warning.split("value_range: [")[1].strip("]").split(","))
    better = load_pets(tmp_path / "pets", value_range=[7000, 7200])
    assert better.value_range == (7000, 7200)
    assert better.warnings == ()
    assert len(np.unique(better.images)) > 100
    assert better.images.max() == 255  # the hot pixel is cut off
    assert 6900 < low < 7010 < 7190 < high < 7500


@pytest.mark.parametrize("value", [[3.0, 3.0], [4, 1], [1], "all"])
def test_a_range_rises(value):
    with pytest.raises(InputError, match="value_range"):
        of_pets(value_range=value)


def test_pictures_of_8_bits_beside_deeper_ones_are_told(pets):
    write_deep(pets / "dog" / "deep", np.arange(64, dtype=np.uint16).reshape(8, 8) * 100)
    (warning,) = load_pets(pets).warnings
    assert "8 bits and of more are mixed" in warning
    assert "cat 0 of 10, dog 1 of 11" in warning


def test_one_value_in_all_deep_pictures_is_refused(tmp_path):
    for label in ("cat", "dog"):
        for i in range(4):
            write_deep(tmp_path / "pets" / label / str(i), np.full((8, 8), 300, np.uint16))
    with pytest.raises(InputError, match="all pictures of more than 8 bits hold only 300"):
        load_pets(tmp_path / "pets")


# ---- memory -------------------------------------------------------------------------------------


def test_what_it_takes_is_said_before_it_is_read(pets, capsys):
    unreadable_image(pets)
    with pytest.raises(InputError):
        load_pets(pets)
    assert "20 pictures of 8 x 8 pixels take 3.84 kB, " in capsys.readouterr().out


def test_without_room_in_memory_the_same_images_are_kept_on_disk(pets, monkeypatch, tmp_path):
    expected = load_pets(pets)
    monkeypatch.setattr(images_in_memory, "free_bytes", lambda: 1000)
    data = load_pets(pets)
    assert isinstance(data.images, np.memmap)
    assert data.digest() == expected.digest()
    images_in_memory.save_images(data, tmp_path / "disk.pt")
    images_in_memory.save_images(expected, tmp_path / "memory.pt")
    assert (tmp_path / "disk.pt").read_bytes() == (tmp_path / "memory.pt").read_bytes()
    assert list((pets.parent / "d").iterdir()) == []  # the file has no name


def test_a_disk_without_room_is_told(pets, monkeypatch):
    monkeypatch.setattr(images_in_memory, "free_bytes", lambda: 1000)
    with pytest.raises(InputError, match=r"1000000 x 1000000 pixels take 120,000 GB on disk"):
        load_pets(pets, resolution=10**6)


def test_memory_that_is_short_is_told(pets, monkeypatch):
    def short(*_):
        raise MemoryError

    monkeypatch.setattr(image_folder, "pixels_of_size", short)
    with pytest.raises(InputError, match=r"20 pictures .*: out of memory .*set `resolution` lower"):
        load_pets(pets)
