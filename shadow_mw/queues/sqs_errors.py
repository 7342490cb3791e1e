"""The errors of SQS and S3 as sentences. What a service says itself is left out: it may quote secrets."""

from __future__ import annotations

import re

from shadow_mw.exceptions import ShadowMWError

_NO_QUEUE = {"NonExistentQueue", "QueueDoesNotExist"}
_NO_BUCKET = {"NoSuchBucket"}
_NO_OBJECT = {"NoSuchKey", "404"}
_DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "KmsAccessDenied", "403"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_INVALID = {
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "NotAuthorized",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
#: The request itself is at fault: the same again would fail again, a part of it might not.
_REQUEST = {
    "BatchRequestTooLong",
    "InvalidAttributeValue",
    "InvalidMessageContents",
    "InvalidParameterValue",
    "InvalidParameterValueException",
    "MessageTooLong",
    "ParamValidationError",
}
_TOO_LONG = {"BatchRequestTooLong", "MessageTooLong"}
_PASSING = re.compile(
    r"(?i)throttl|slowdown|toomanyrequests|limitexceeded|overlimit|unavailable|internal|timeout|expired"
)
_CODE = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")
_CREDENTIALS = (
    "there are no credentials for AWS: boto3 looks for them in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
    "in ~/.aws, and at the role of the machine or container"
)
_NO_CREDENTIALS = {
    "CredentialRetrievalError",
    "NoAuthTokenError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "SSOTokenLoadError",
    "TokenRetrievalError",
    "UnauthorizedSSOTokenError",
}


class ServiceError(ShadowMWError):
    """SQS or S3 did not do what it was asked. Never leaves the queues; the message is a sentence."""

    def __init__(self, sentence: str, code: str) -> None:
        """Keep the service's code beside the sentence."""
        super().__init__(sentence)
        self.code = code

    @property
    def is_of_credentials(self) -> bool:
        """True where other credentials might do."""
        return self.code in _NO_CREDENTIALS | _EXPIRED | _INVALID

    @property
    def is_denied(self) -> bool:
        """True where the credentials are good and do not allow this."""
        return self.code in _DENIED

    @property
    def is_of_request(self) -> bool:
        """True where the request itself is at fault, and not the service, the network or the settings."""
        return self.code in _REQUEST

    @property
    def is_too_long(self) -> bool:
        """True where a smaller message, or fewer of them, would be taken."""
        return is_too_long(self.code)

    @property
    def is_missing_object(self) -> bool:
        """True where there is no such object in the bucket."""
        return self.code in _NO_OBJECT


def is_passing(code: str) -> bool:
    """True where the same again may well succeed."""
    return bool(_PASSING.search(code))


def is_too_long(code: str) -> bool:
    """True where a smaller message would be taken."""
    return code in _TOO_LONG


def plain(code: str) -> str:
    """A service's code without its family, as in `AWS.SimpleQueueService.NonExistentQueue`."""
    code = re.split(r"[.#]", code)[-1]
    return code if _CODE.match(code) else "unknown"


def explained(error: Exception, *, operation: str, queue: str, bucket: str, where: str) -> ServiceError:
    """An error of boto3 as a sentence."""
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as BotoConnectionError

    if isinstance(error, ClientError):
        return _refused(error, operation, queue, bucket)
    name = type(error).__name__
    if name in _NO_CREDENTIALS:
        return ServiceError(_CREDENTIALS, name)
    if isinstance(error, (HTTPClientError, BotoConnectionError)) or not isinstance(error, BotoCoreError):
        return ServiceError(f"{where} cannot be reached ({name})", name)
    return ServiceError(f"{_words(operation)} at {where} failed ({name})", name)


def _refused(error: Exception, operation: str, queue: str, bucket: str) -> ServiceError:
    response = getattr(error, "response", {})
    code = plain(str(response.get("Error", {}).get("Code", "")))
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", "unknown")
    if code in _NO_QUEUE:
        sentence = f"there is no queue named {queue}"
    elif code in _NO_BUCKET:
        sentence = f"there is no bucket named {bucket!r} (SHADOW_SQS_BUCKET)"
    elif code in _DENIED:
        sentence = f"the credentials for AWS do not allow {_words(operation)}"
    elif code in _EXPIRED:
        sentence = "the credentials for AWS have expired"
    elif code in _INVALID:
        sentence = f"the credentials for AWS are not accepted ({code})"
    else:
        sentence = f"{_words(operation)} was refused with {code} (status {status})"
    return ServiceError(sentence, code)


def _words(operation: str) -> str:
    """`send_message_batch` as the services call it."""
    return "".join(word.capitalize() for word in operation.split("_"))
