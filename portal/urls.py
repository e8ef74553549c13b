"""Every address of the portal."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, path
from django.views.generic import RedirectView

from portal.access import open_to_everybody
from portal.views import (
    accounts,
    clean_up,
    dashboard,
    finding_actions,
    findings,
    migrations,
    replication,
    reports,
    servers,
    wizard,
)

dashboard_urls: list[URLPattern] = [
    path("", dashboard.index, name="dashboard"),
    path("live/", dashboard.live, name="dashboard-live"),
]

migration_urls: list[URLPattern] = [
    path("migrations/<uuid:pk>/", migrations.page, name="migration"),
    path("migrations/<uuid:pk>/live/", migrations.live, name="migration-live"),
    path("migrations/<uuid:pk>/cancel/", migrations.cancel, name="migration-cancel"),
    path("migrations/<uuid:pk>/resume/", migrations.resume, name="migration-resume"),
    path("migrations/<uuid:pk>/clean-up/", clean_up.clean_up, name="migration-clean-up"),
    path("migrations/<uuid:pk>/clean-up/live/", clean_up.clean_up_live, name="migration-clean-up-live"),
    path("migrations/<uuid:pk>/cutover/", replication.cutover, name="migration-cutover"),
    path("migrations/<uuid:pk>/cutover/live/", replication.cutover_live, name="migration-cutover-live"),
    path("migrations/<uuid:pk>/replication/<slug:deed>/", replication.ask, name="migration-ask"),
    path("migrations/<uuid:pk>/fixes/<slug:side>.sql", findings.fixes, name="migration-fixes"),
    path("migrations/<uuid:pk>/findings/<int:finding>/fix.sql", findings.fix, name="finding-fix"),
    path("migrations/<uuid:pk>/check/", finding_actions.check, name="migration-check"),
    path("migrations/<uuid:pk>/go-on/", finding_actions.go_on, name="migration-go-on"),
    path("migrations/<uuid:pk>/findings/<int:finding>/accept/", finding_actions.accept, name="finding-accept"),
    path("migrations/<uuid:pk>/findings/<int:finding>/reopen/", finding_actions.reopen, name="finding-reopen"),
    path("migrations/<uuid:pk>/findings/<int:finding>/check/", finding_actions.check, name="finding-check"),
]

report_urls: list[URLPattern] = [
    path("migrations/<uuid:pk>/report/", reports.html, name="migration-report"),
    path("migrations/<uuid:pk>/report/file/", reports.file, name="migration-report-file"),
    path("migrations/<uuid:pk>/report.json", reports.download, name="migration-report-json"),
]

wizard_urls: list[URLPattern] = [
    path("migrations/new/", wizard.new, name="migration-new"),
    path("migrations/name/", wizard.name_available, name="migration-name-available"),
    path("migrations/<uuid:pk>/setup/", wizard.resume, name="wizard-resume"),
    path("migrations/<uuid:pk>/setup/discard/", wizard.discard, name="wizard-discard"),
    path("migrations/<uuid:pk>/setup/tables/<path:database>/", wizard.tables, name="wizard-tables"),
    path("migrations/<uuid:pk>/setup/<slug:step>/", wizard.step, name="wizard"),
]

server_urls: list[URLPattern] = [
    path("servers/", servers.index, name="servers"),
    path("servers/add/", servers.add, name="server-add"),
    path("servers/<uuid:pk>/", servers.edit, name="server"),
    path("servers/<uuid:pk>/test/", servers.test, name="server-test"),
    path("servers/<uuid:pk>/delete/", servers.delete, name="server-delete"),
]

account_urls: list[URLPattern] = [
    path("login/", accounts.Login.as_view(), name="login"),
    path("logout/", open_to_everybody(accounts.Logout.as_view()), name="logout"),
    path("account/theme/", accounts.theme, name="theme"),
    path("account/password/", open_to_everybody(accounts.ChangePassword.as_view()), name="password_change"),
]

urlpatterns = [
    *dashboard_urls,
    *wizard_urls,
    *migration_urls,
    *report_urls,
    *server_urls,
    *account_urls,
    path("admin/login/", accounts.admin_login),
    path("admin/password_change/", RedirectView.as_view(pattern_name="password_change")),
    path("admin/", admin.site.urls),
]
