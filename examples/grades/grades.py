"""A model that is a plain Python class: its public methods are its API, and hints and docstrings its documentation."""

from __future__ import annotations

from threading import Lock


class Grades:
    """Grades of students, from 1 (best) to 6. Kept in memory, so each replica has its own."""

    def __init__(self) -> None:
        self._grades: dict[str, list[float]] = {"anton": [1.0, 2.3]}
        self._lock = Lock()

    def get_grades(self, student: str) -> list[float]:
        """Returns the grades of a student, the latest last.

        Args:
            student: Name of the student.

        Returns:
            The grades; none where the student is not known.
        """
        with self._lock:
            return list(self._grades.get(student, []))

    def set_grades(self, student: str, grades: list[float]) -> int:
        """Replaces the grades of a student.

        Args:
            student: Name of the student.
            grades: All grades, the latest last.

        Returns:
            How many grades are kept now.
        """
        with self._lock:
            self._grades[student] = list(grades)
            return len(grades)
