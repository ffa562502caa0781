"""Scores are answers on a scale."""

from pathlib import Path

from tests.onboard.strangers import Make, write


def test_a_score_is_an_answer_on_the_scale_that_its_values_show(
    files: Path, make: Make
) -> None:
    def scales(scores: list[str], title: str = "reviews") -> str:
        for path in files.iterdir():
            path.unlink()
        write(
            files / f"{title}.csv",
            "review_no,rating,comment,created_at",
            [
                f"r{n},{scores[n % len(scores)]},words {n},"
                f"2024-01-{n % 28 + 1:02} 10:00:00"
                for n in range(60)
            ],
        )
        done = make(f"shop_{len(list(files.parent.glob('companies/*')))}")
        (staging,) = done.stagings
        found = staging.select
        return " ".join(
            [
                staging.feed,
                *(found.get(k, "") for k in ("measure", "scale_min", "scale_max")),
            ]
        )

    assert scales(["1", "3", "5"]) == "survey_answers 'csat' 1 5"
    assert scales(["0", "3", "5"]) == "survey_answers 'csat' 0 5"
    assert scales(["0.5", "3.0", "4.5"]) == "survey_answers 'csat' 0.5 5"
    assert scales(["2", "9", "10"]) == "survey_answers 'csat' 1 10"
    assert scales(["0", "9", "10"], "nps_answers") == "survey_answers 'nps' 0 10"
    assert scales(["", "4", "5"]) == (
        "survey_answers case when rating is not null then 'csat' end 1 5"
    )
    # Votes are no scores.
    assert scales(["17", "300", "-4"]) == "posts   "
