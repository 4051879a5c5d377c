from dataclasses import replace

import msgspec
import pytest

from litemail.platforms import NoTwin, check_offered
from litemail.providers.platform import LoginNotOffered, instantly


def test_a_platform_without_a_twin_is_refused_in_a_sandbox_only():
    made = instantly.adapter()
    alone = replace(made, declaration=msgspec.structs.replace(made.declaration, sandbox_twin=False))
    check_offered(alone, mode="live", with_login=True)
    with pytest.raises(NoTwin) as refused:
        check_offered(alone, mode="sandbox", with_login=False)
    assert refused.value.details[0].field == "platform_type"


def test_a_login_is_refused_where_there_is_no_exchange():
    by_key_only = instantly.adapter(login=False)
    check_offered(by_key_only, mode="sandbox", with_login=False)
    with pytest.raises(LoginNotOffered) as refused:
        check_offered(by_key_only, mode="sandbox", with_login=True)
    assert refused.value.details[0].field == "platform_pass"
