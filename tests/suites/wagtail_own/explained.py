"""Tests of Wagtail's that can't pass with the app, by a part of their id, and why."""

COLUMN = (
    "it looks at the last column of the table of images, or counts its queries: the app adds a "
    "column, whose states are one query"
)
PANEL = "it counts what the group editor shows, or its queries: the app adds a panel of rights"

MENU = "it counts the queries of an admin page: the menu asks in one what awaits a decision"

#: With the app installed.
WITH_APP: dict[str, str] = {
    "TestContentTypeUse.test_content_type_use": MENU,
    "TestImageIndexView.test_num_queries": MENU,
    "TestInWorkflowStatus.test_in_workflow_status": MENU,
    "TestPageEdit.test_page_edit_num_queries": MENU,
    "TestPageSearch.test_view": MENU,
    "TestSnippetHistory.test_num_queries": MENU,
    "TestTaskIndexView.test_num_queries": MENU,
    "TestUserIndexView.test_num_queries": MENU,
    "TestWorkflowHistory.test_get_detail": MENU,
    "TestWorkflowHistoryDetail.test_get_detail": MENU,
    "TestWorkflowsIndexView.test_num_queries": MENU,
    "TestImageIndexView.test_order_by_usage_count": COLUMN,
    "TestImageIndexViewSearch.test_order_by_usage_count_disabled_when_searching": COLUMN,
    "TestGroupCreateView.test_num_queries": PANEL,
    "TestGroupEditView.test_num_queries": PANEL,
    "TestGroupEditView.test_group_edit_displays_collection_nesting": PANEL,
}

ASKS_FOR_FILL = "it chooses fill in the generator of URLs, and expects the word that was replaced"
OTHER_KEY = "it holds a key that was made of fill's fields, or a name with it: ours has another"
OTHER_LETTERS = "it holds a signature that was made of the letters of the spec"

#: With `fill-` replaced by `smartresize-` in the tests of `wagtail.images`.
WITH_FILTER: dict[str, str] = {
    **WITH_APP,
    "TestURLGeneratorView.test_get_with_all_search_params": ASKS_FOR_FILL,
    "TestURLGeneratorViewOutput.test_get": ASKS_FOR_FILL,
    "TestCacheKey.test_cache_key_fill_filter": OTHER_KEY,
    "TestFrontendServeView.test_get_with_redirect_action": OTHER_KEY,
    "TestRenditionFilenames.test_fill_filter": OTHER_KEY,
    "TestRenditionFilenames.test_filter_with_pipe_gets_dotted": OTHER_KEY,
    "TestSignatureGeneration.test_signature": OTHER_LETTERS,
}
