//! Reading parameters by name and type.

use super::parsed;
use crate::core::error::ErrorKind;
use crate::core::secret::Secret;

#[tokio::test]
async fn parameters_are_read_by_type() {
    let text = "x://h?yes=true&one=1&no=false&nil=0&n=42&s=env:PATH&plain=p&t=a%20b";
    let uri = parsed(text);
    let mut parameters = uri.parameters();
    assert_eq!(parameters.bool("yes").unwrap(), Some(true));
    assert_eq!(parameters.bool("one").unwrap(), Some(true));
    assert_eq!(parameters.bool("no").unwrap(), Some(false));
    assert_eq!(parameters.bool("nil").unwrap(), Some(false));
    assert_eq!(parameters.bool("absent").unwrap(), None);
    assert_eq!(parameters.parse::<u8>("n", "a number").unwrap(), Some(42));
    assert_eq!(parameters.parse::<u8>("absent", "a number").unwrap(), None);
    assert_eq!(parameters.text("t"), Some("a b"));
    let path = Secret::new(std::env::var("PATH").unwrap());
    assert_eq!(parameters.secret("s").await.unwrap(), Some(path));
    let plain = parameters.secret("plain").await.unwrap();
    assert_eq!(plain, Some(Secret::new("p")));
    assert_eq!(parameters.secret("absent").await.unwrap(), None);
    parameters.finish().unwrap();
}

#[tokio::test]
async fn bad_values_are_rejected_by_name_and_never_shown() {
    let uri = parsed("x://h?flag=yes&n=300&empty=&password=hunter2");
    let mut parameters = uri.parameters();
    for (error, text) in [
        (parameters.bool("flag").unwrap_err(), "the parameter `flag` must be true, false, 1 or 0"),
        (
            parameters.bool("empty").unwrap_err(),
            "the parameter `empty` must be true, false, 1 or 0",
        ),
        (
            parameters.parse::<u8>("n", "0 to 255").unwrap_err(),
            "the parameter `n` must be 0 to 255",
        ),
        (
            parameters.parse::<u8>("password", "a PIN").unwrap_err(),
            "the parameter `password` must be a PIN",
        ),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidUri);
        let shown = "`x://h?flag=yes&n=300&empty=&password=***`: invalid URI: ";
        assert_eq!(error.to_string(), format!("{shown}{text}"));
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn the_error_of_a_missing_secret_names_its_place() {
    for place in ["env:F9_NO_SUCH_VARIABLE", "file:/nonexistent/key"] {
        let uri = parsed(&format!("x://h?api_key={place}"));
        let error = uri.parameters().secret("api_key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri);
        let reason = format!("cannot read the parameter `api_key` from {place}");
        assert!(error.to_string().ends_with(&reason), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn unknown_parameters_are_rejected_and_the_known_ones_listed() {
    let uri = parsed("x://h?a=1&pin=hunter2&c=2");
    let mut parameters = uri.parameters();
    parameters.text("c");
    parameters.text("a");
    parameters.text("a");
    let error = parameters.finish().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidUri);
    assert_eq!(
        error.to_string(),
        "`x://h`: invalid URI: unknown parameter `pin`; expected one of c, a"
    );
    assert!(!format!("{error:?}").contains("hunter2"));

    let error = uri.parameters().finish().unwrap_err();
    assert!(error.to_string().ends_with("unknown parameter `a`; this scheme has no parameters"));

    let error = parsed("x://me:a?hunter2=@host").parameters().finish().unwrap_err();
    let text = "`x://***`: invalid URI: unknown parameter; this scheme has no parameters";
    assert_eq!(error.to_string(), text);
}
