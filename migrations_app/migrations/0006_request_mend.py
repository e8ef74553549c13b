from django.db import migrations, models

# The slot was given up at twice the size of its warning before there was a size of its own for that.
KEEP_WHAT_WAS_AGREED = """
UPDATE migrations_app_migration SET give_up_wal_bytes = 2 * retained_wal_bytes
 WHERE 2 * retained_wal_bytes > give_up_wal_bytes
"""


class Migration(migrations.Migration):
    dependencies = [
        ("migrations_app", "0005_watching_and_clean_up"),
    ]

    operations = [
        migrations.AddField(
            model_name="replicationrequest",
            name="subject",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="Which difference is to be mended."
            ),
        ),
        migrations.AddField(
            model_name="replicationrequest",
            name="may_drop",
            field=models.BooleanField(db_default=False, default=False, help_text="What drops data was confirmed."),
        ),
        migrations.RunSQL(KEEP_WHAT_WAS_AGREED, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="replicationrequest",
            name="kind",
            field=models.CharField(
                choices=[
                    ("rehearse", "Rehearse the cutover"),
                    ("cutover", "Cut over"),
                    ("pause", "Pause replication"),
                    ("continue", "Continue replication"),
                    ("mend", "Apply a change to the target"),
                    ("go_back", "Go back to the source"),
                    ("finish", "Finish"),
                ],
                max_length=12,
            ),
        ),
    ]
