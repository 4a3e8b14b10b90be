"""Who gets in, for how long, and how slowly a guesser goes."""

from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from tenants.access import Conflict, Denied, Invalid, NotFound, Principal, Role
from tenants.audit import Audit
from tenants.database import Database
from tenants.people import People, first_administrator
from tenants.signin import Signin, SigninRefused, csrf_fits
from tenants.throttle import Throttle

PASSWORD = "a long password"


@pytest.fixture
def signin(database: Database, clock: Any) -> Signin:
    return Signin(database, clock=clock)


def test_the_right_password_opens_a_session(signin: Signin) -> None:
    opened = signin.sign_in(" Pat ", PASSWORD, "192.0.2.1")

    found = signin.session(opened.secret)

    assert found is not None
    assert found.principal == Principal(
        user="pat", name="Pat Day", role=Role.PARTNER, tenants=frozenset({"school"})
    )


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("pat", "wrong"),
        ("nobody", PASSWORD),
        ("", ""),
        ("pat", "\ud800"),
        ("\ud800", "x"),
        ("x" * 9999, "x"),
    ],
)
def test_wrong_names_and_wrong_passwords_sound_alike(
    signin: Signin, user: str, password: str
) -> None:
    with pytest.raises(SigninRefused) as caught:
        signin.sign_in(user, password, "192.0.2.1")

    assert str(caught.value) == "this name and password don't fit"


def test_a_session_ends_twelve_hours_after_its_last_use(signin: Signin, clock: Any) -> None:
    secret = signin.sign_in("kim", PASSWORD, "192.0.2.1").secret

    for _ in range(3):
        clock.move(hours=11)
        assert signin.session(secret) is not None
    clock.move(hours=12, seconds=1)

    assert signin.session(secret) is None


def test_a_session_ends_after_seven_days_of_whatever_use(signin: Signin, clock: Any) -> None:
    secret = signin.sign_in("kim", PASSWORD, "192.0.2.1").secret

    for _ in range(16):
        clock.move(hours=10)
        assert signin.session(secret) is not None
    clock.move(hours=9)

    assert signin.session(secret) is None


def test_sign_out_ends_this_session_alone(signin: Signin) -> None:
    one, other = (signin.sign_in("kim", PASSWORD, "192.0.2.1").secret for _ in range(2))

    signin.sign_out(one)
    signin.sign_out("unknown")

    assert signin.session(one) is None
    assert signin.session(other) is not None


@pytest.mark.parametrize("secret", ["", "x", "a" * 43, "\ud800", "' OR 1=1 --"])
def test_a_forged_session_is_nobodys(signin: Signin, secret: str) -> None:
    assert signin.session(secret) is None
    assert signin.token_principal(secret) is None


def test_secrets_are_stored_as_hashes_only(
    signin: Signin, database: Database, kim: Principal
) -> None:
    secret = signin.sign_in("kim", PASSWORD, "192.0.2.1").secret
    token = signin.create_token(kim, "dashboard").token

    with database.read() as connection:
        tables = ("sessions", "tokens", "users", "audit")
        stored = str([connection.exec_driver_sql(f"SELECT * FROM {name}").all() for name in tables])
    assert secret not in stored
    assert token not in stored
    assert PASSWORD not in stored


def test_a_csrf_token_fits_its_own_session_only(signin: Signin) -> None:
    one, other = (signin.sign_in("kim", PASSWORD, "192.0.2.1") for _ in range(2))

    assert csrf_fits(one, one.csrf)
    assert not csrf_fits(one, other.csrf)
    assert not csrf_fits(one, "")
    assert not csrf_fits(one, "\ud800")
    assert one.secret not in one.csrf


def test_guessing_one_name_gets_slower_even_with_the_right_password(
    signin: Signin, clock: Any
) -> None:
    for number in range(5):
        with pytest.raises(SigninRefused):
            signin.sign_in("kim", "wrong", f"192.0.2.{number}")

    with pytest.raises(SigninRefused) as caught:
        signin.sign_in("kim", PASSWORD, "192.0.2.99")
    clock.move(seconds=caught.value.wait)

    assert caught.value.wait == 1.0
    assert signin.sign_in("kim", PASSWORD, "192.0.2.99").principal.user == "kim"
    with pytest.raises(SigninRefused) as forgotten:
        signin.sign_in("kim", "wrong", "192.0.2.99")
    assert forgotten.value.wait == 0.0


def test_guessing_many_names_from_one_address_gets_slower(
    signin: Signin, database: Database, clock: Any
) -> None:
    for number in range(30):
        Throttle(database).failed(f"user{number}", "203.0.113.5", clock())

    with pytest.raises(SigninRefused) as caught:
        signin.sign_in("kim", PASSWORD, "203.0.113.5")

    assert caught.value.wait > 0
    assert signin.sign_in("kim", PASSWORD, "192.0.2.1").principal.user == "kim"


def test_the_wait_doubles_up_to_a_bound_and_is_forgotten(database: Database, clock: Any) -> None:
    throttle = Throttle(database)
    waits = []

    for _ in range(16):
        throttle.failed("kim", "192.0.2.1", clock())
        waits.append(throttle.wait("kim", "192.0.2.1", clock()))
        clock.move(seconds=waits[-1])
    clock.move(hours=2)
    throttle.failed("other", "192.0.2.2", clock())

    assert waits == [0] * 4 + [float(2**power) for power in range(10)] + [900.0, 900.0]
    with database.read() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM signin_failures").scalar()
    assert count == 2


def test_a_token_speaks_for_its_owner_until_it_is_deleted(
    signin: Signin, pat: Principal, kim: Principal
) -> None:
    created = signin.create_token(pat, "export")

    assert signin.token_principal(created.token) == pat
    assert [info.name for info in signin.tokens(pat)] == ["export"]
    with pytest.raises(NotFound):
        signin.delete_token(kim, created.id)
    signin.delete_token(pat, created.id)
    assert signin.token_principal(created.token) is None


def test_tokens_have_a_bound(signin: Signin, kim: Principal) -> None:
    for number in range(20):
        signin.create_token(kim, f"t{number}")

    with pytest.raises(Invalid, match="20 tokens"):
        signin.create_token(kim, "one more")


def test_a_changed_password_ends_sessions_and_fits_from_then_on(
    signin: Signin, kim: Principal
) -> None:
    secret = signin.sign_in("kim", PASSWORD, "192.0.2.1").secret

    with pytest.raises(SigninRefused):
        signin.change_password(kim, "wrong", "another password")
    with pytest.raises(Invalid):
        signin.change_password(kim, PASSWORD, "too short")
    signin.change_password(kim, PASSWORD, "another password")

    assert signin.session(secret) is None
    assert signin.sign_in("kim", "another password", "192.0.2.1")
    with pytest.raises(SigninRefused):
        signin.sign_in("kim", PASSWORD, "192.0.2.1")


def test_guessing_the_own_password_from_a_stolen_session_gets_slower(
    signin: Signin, kim: Principal
) -> None:
    for _ in range(5):
        with pytest.raises(SigninRefused):
            signin.change_password(kim, "wrong", "another password")

    with pytest.raises(SigninRefused) as caught:
        signin.change_password(kim, PASSWORD, "another password")

    assert caught.value.wait > 0


def test_a_disabled_user_is_out_at_once(
    signin: Signin, database: Database, root: Principal, pat: Principal
) -> None:
    secret = signin.sign_in("pat", PASSWORD, "192.0.2.1").secret
    token = signin.create_token(pat, "export").token
    people = People(database, root)

    people.enable_user("pat", enabled=False)

    assert signin.session(secret) is None
    assert signin.token_principal(token) is None
    with pytest.raises(SigninRefused):
        signin.sign_in("pat", PASSWORD, "192.0.2.1")
    people.enable_user("pat", enabled=True)
    assert signin.session(secret) is None
    assert signin.sign_in("pat", PASSWORD, "192.0.2.1")


def test_a_new_user_gets_a_password_that_fits(
    signin: Signin, database: Database, root: Principal
) -> None:
    created = People(database, root).add_user("Lou@School", "Lou", Role.PARTNER, ["school"])

    session = signin.sign_in("lou@school", created.password, "192.0.2.1")

    assert session.principal.tenants == frozenset({"school"})


def test_a_reset_password_replaces_the_old_one(
    signin: Signin, database: Database, root: Principal
) -> None:
    created = People(database, root).reset_password("kim")

    assert signin.sign_in("kim", created.password, "192.0.2.1")
    with pytest.raises(SigninRefused):
        signin.sign_in("kim", PASSWORD, "192.0.2.1")


@pytest.mark.parametrize(
    ("user", "role", "tenants", "expected"),
    [
        ("a b", Role.ANALYST, [], "no user id"),
        ("", Role.ANALYST, [], "no user id"),
        ("x" * 100, Role.ANALYST, [], "no user id"),
        ("new", Role.PARTNER, [], "tenants for partners only"),
        ("new", Role.ANALYST, ["school"], "tenants for partners only"),
    ],
)
def test_users_that_make_no_sense_are_refused(
    database: Database, root: Principal, user: str, role: Role, tenants: list[str], expected: str
) -> None:
    with pytest.raises(Invalid, match=expected):
        People(database, root).add_user(user, "Name", role, tenants)


def test_a_user_of_an_unknown_tenant_is_not_made(database: Database, root: Principal) -> None:
    people = People(database, root)

    with pytest.raises(NotFound):
        people.add_user("new", "New", Role.PARTNER, ["school", "ghosts"])

    assert "new" not in [user.id for user in people.users()]


def test_user_ids_are_taken_once(database: Database, root: Principal) -> None:
    with pytest.raises(Conflict):
        People(database, root).add_user("KIM", "Another Kim", Role.ANALYST)


def test_only_administrators_change_users(
    database: Database, kim: Principal, pat: Principal
) -> None:
    for person in (kim, pat):
        people = People(database, person)
        with pytest.raises(Denied):
            people.add_user("new", "New", Role.ADMIN)
        with pytest.raises(Denied):
            people.enable_user("sam", enabled=False)
        with pytest.raises(Denied):
            people.reset_password("root")


def test_administrators_can_not_shut_themselves_out(database: Database, root: Principal) -> None:
    with pytest.raises(Invalid):
        People(database, root).enable_user("root", enabled=False)


def test_partners_see_partners_of_their_tenants_and_no_other_tenant_of_theirs(
    database: Database, root: Principal, pat: Principal, kim: Principal
) -> None:
    people = People(database, root)
    people.add_user("both", "Both", Role.PARTNER, ["school", "council"], password=PASSWORD)
    people.add_user("city", "City", Role.PARTNER, ["council"], password=PASSWORD)

    seen = {user.id: user.tenants for user in People(database, pat).users()}

    assert seen == {"both": ("school",), "pat": ("school",)}
    assert len(People(database, kim).users()) == 6


def test_passwords_cost_a_guesser_memory_and_time(real_hasher: PasswordHasher) -> None:
    parameters = extract_parameters(real_hasher.hash(PASSWORD))

    assert parameters.type is Type.ID
    assert parameters.memory_cost >= 19 * 1024
    assert parameters.time_cost >= 2


def test_the_first_administrator_is_made_where_nobody_is(tmp_path: Any) -> None:
    database = Database.open(f"sqlite:///{tmp_path / 'new.sqlite'}")

    created = first_administrator(database)
    again = first_administrator(database)

    assert created is not None
    assert again is None
    session = Signin(database).sign_in("admin", created.password, "192.0.2.1")
    assert session.principal.role is Role.ADMIN
    database.close()


def test_sign_ins_and_user_changes_are_audited(
    signin: Signin, database: Database, root: Principal, pat: Principal
) -> None:
    signin.sign_in("kim", PASSWORD, "192.0.2.1")
    People(database, root).reset_password("pat")

    whole = Audit(database, root).of_everything().entries
    theirs = Audit(database, pat).of_tenant("school").entries

    assert [(one.who, one.what, one.tenant) for one in whole[:2]] == [
        ("root", "password reset", "school"),
        ("kim", "signed in", None),
    ]
    assert theirs[0].what == "password reset"
