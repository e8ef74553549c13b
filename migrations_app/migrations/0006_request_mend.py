from django.db import migrations, models


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
