"""What django-drip-campaigns leaves to its user: who has how many points, and for what."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """The points of a user, for a rule of a drip to ask for."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    points = models.IntegerField(default=0, db_index=True)


class Event(models.Model):
    """Something that a user did."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    kind = models.CharField(max_length=64)
    points = models.IntegerField()
    occurred_at = models.DateTimeField()
