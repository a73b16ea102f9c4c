// What drive.py has Thunderbird do. It runs with the rights of Thunderbird itself; drive.py calls one function at
// a time, and what that returns goes back as JSON. Nothing in here waits by the clock: drive.py asks again instead.

const { BondOpenPGP } = ChromeUtils.importESModule("chrome://openpgp/content/BondOpenPGP.sys.mjs");
const { EnigmailKeyRing } = ChromeUtils.importESModule("chrome://openpgp/content/modules/keyRing.sys.mjs");
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { MailUtils } = ChromeUtils.importESModule("resource:///modules/MailUtils.sys.mjs");
const { NetUtil } = ChromeUtils.importESModule("resource://gre/modules/NetUtil.sys.mjs");
const { PgpSqliteDb2 } = ChromeUtils.importESModule("chrome://openpgp/content/modules/sqliteDb.sys.mjs");
const { RNP } = ChromeUtils.importESModule("chrome://openpgp/content/modules/RNP.sys.mjs");

const FOLDER = "Sealed";

function localFile(path) {
  const file = Cc["@mozilla.org/file/local;1"].createInstance(Ci.nsIFile);
  file.initWithPath(path);
  return file;
}

function certificates() {
  return Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB);
}

// --- Keys and certificates

function started() {
  return !!Services.wm.getMostRecentWindow("mail:3pane");
}

/** Makes an OpenPGP key for Bob: its fingerprint and its certificate. */
async function makeKey(userId) {
  await BondOpenPGP.init();
  const id = await RNP.genKey(userId, "ECC", 0, 365, "");
  await RNP.saveKeyRings();
  EnigmailKeyRing.clearCache();
  const { fpr } = EnigmailKeyRing.getKeyById(`0x${id.replace(/^0x/, "")}`);
  await PgpSqliteDb2.acceptAsPersonalKey(fpr);
  return [fpr, await RNP.getPublicKey(`0x${fpr}`)];
}

/** Takes a key as Bob's own. */
async function importKey(armored, passphrase) {
  await BondOpenPGP.init();
  let asked = 0;
  const answer = (window, prompt, flags) => {
    // A passphrase that is not accepted is asked for again and again.
    flags.canceled = ++asked > 6;
    return passphrase;
  };
  const { importedKeys } = await RNP.importSecKeyBlockImpl(null, answer, false, armored);
  EnigmailKeyRing.clearCache();
  for (const fingerprint of importedKeys) {
    await PgpSqliteDb2.acceptAsPersonalKey(fingerprint.replace(/^0x/, ""));
  }
  return importedKeys.length;
}

/** Takes a certificate as that of somebody whom Bob knows. */
async function importCertificate(armored) {
  await BondOpenPGP.init();
  const error = {};
  const keys = {};
  await EnigmailKeyRing.importKeyAsync(null, false, armored, false, "", error, keys, false, [], "verified");
  return keys.value.length;
}

/** Takes an X.509 certificate; trust is "C,C,C" for an authority and ",," for a person. */
function importX509(pem, trust) {
  certificates().addCertFromBase64(pem.replace(/-----.*-----|\s/g, ""), trust);
}

/** Takes a key and its certificate; 0 if it went well. */
function importPKCS12(path, password) {
  return certificates().importPKCS12File(localFile(path), password);
}

/**
 * Gives Bob an account that submits to this port. An identity is an address, and the key ID of its OpenPGP key or
 * what the subject of its X.509 certificate contains.
 */
function makeAccount(port, identities) {
  const smtp = MailServices.outgoingServer.createServer("smtp");
  smtp.QueryInterface(Ci.nsISmtpServer);
  smtp.hostname = "127.0.0.1";
  smtp.port = port;
  smtp.socketType = Ci.nsMsgSocketType.plain;
  smtp.authMethod = Ci.nsMsgAuthMethod.none;
  MailServices.outgoingServer.defaultServer = smtp;

  // Only a server that mail comes from may have identities; this one is never asked.
  const server = MailServices.accounts.createIncomingServer("bob", "localhost", "pop3");
  server.loginAtStartUp = false;
  server.doBiff = false;
  const account = MailServices.accounts.createAccount();
  account.incomingServer = server;

  for (const [address, pgp, x509] of identities) {
    const identity = MailServices.accounts.createIdentity();
    identity.email = address;
    identity.fullName = "Bøb";
    identity.doFcc = false;
    identity.valid = true;
    identity.smtpServerKey = smtp.key;
    identity.protectSubject = true;
    if (pgp) {
      identity.setUnicharAttribute("openpgp_key_id", pgp);
    }
    if (x509) {
      const certificate = certificates().getCerts().find(c => c.subjectName.includes(x509));
      for (const use of ["signing", "encryption"]) {
        identity.setUnicharAttribute(`${use}_cert_name`, certificate.displayName);
        identity.setCharAttribute(`${use}_cert_dbkey`, certificate.dbKey);
      }
    }
    account.addIdentity(identity);
  }
  MailServices.accounts.defaultAccount = account;
}

// --- Reading

/** Puts a message into a folder and opens it in a window of its own. */
async function openMessage(path) {
  const root = MailServices.accounts.localFoldersServer.rootFolder;
  root.QueryInterface(Ci.nsIMsgLocalMailFolder);
  const folder = root.containsChildNamed(FOLDER) ? root.getChildNamed(FOLDER) : root.createLocalSubfolder(FOLDER);
  const key = await new Promise((resolve, reject) => {
    let copied;
    const listener = {
      onStartCopy() {},
      onProgress() {},
      getMessageId: () => null,
      setMessageKey(messageKey) {
        copied = messageKey;
      },
      onStopCopy(status) {
        if (Components.isSuccessCode(status)) {
          resolve(copied);
        } else {
          reject(new Error(`the message was not copied: ${status.toString(16)}`));
        }
      },
    };
    MailServices.copy.copyFileMessage(localFile(path), folder, null, false, 0, "", listener, null);
  });
  MailUtils.openMessageInNewWindow(folder.msgDatabase.getMsgHdrForKey(key));
}

function messageView() {
  const window = Services.wm.getMostRecentWindow("mail:messageWindow");
  const view = window?.messageBrowser?.contentWindow;
  return view?.location.href == "about:message" ? view : null;
}

/** What Bob sees of the message now; null as long as it is not there. */
function seenMessage() {
  const view = messageView();
  const body = view?.msgLoaded && view.getMessagePaneBrowser()?.contentDocument?.body;
  if (!body) {
    return null;
  }
  // The padlock and the seal beside the sender: message-encrypted-ok.svg and the like.
  const icon = id => {
    const image = view.document.getElementById(id);
    return image.hidden ? null : image.getAttribute("src").replace(/.*\/|\.svg$/g, "");
  };
  const box = view.document.getElementById("cryptoBox");
  return {
    suite: box.hidden ? null : box.getAttribute("tech"),
    encrypted: icon("encryptedHdrIcon"),
    signed: icon("signedHdrIcon"),
    subject: view.gMessage.mime2DecodedSubject, // as in the list of messages
    text: body.innerText,
    attachments: view.currentAttachments.map(attachment => attachment.name),
  };
}

/** The attachments as Bob would save them: for each [name, SHA-256 in Base64]. */
function seenAttachments() {
  const digest = attachment =>
    new Promise((resolve, reject) => {
      const source = { uri: attachment.url, loadUsingSystemPrincipal: true };
      NetUtil.asyncFetch(source, (stream, status) => {
        if (!Components.isSuccessCode(status)) {
          reject(new Error(`${attachment.name} is not readable: ${status.toString(16)}`));
          return;
        }
        const hash = Cc["@mozilla.org/security/hash;1"].createInstance(Ci.nsICryptoHash);
        hash.init(Ci.nsICryptoHash.SHA256);
        hash.updateFromStream(stream, stream.available());
        resolve([attachment.name, hash.finish(true)]);
      });
    });
  return Promise.all(messageView().currentAttachments.map(digest));
}

function closeMessage() {
  Services.wm.getMostRecentWindow("mail:messageWindow")?.close();
}

// --- Writing

/** Opens the window that Bob writes in. */
function openComposer({ from, to, subject, body, html, attach }) {
  const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
  fields.to = to;
  fields.subject = subject;
  fields.body = body;
  if (html) {
    fields.deliveryFormat = Ci.nsIMsgCompSendFormat.Both;
  }
  if (attach) {
    const file = localFile(attach);
    const attachment = Cc["@mozilla.org/messengercompose/attachment;1"].createInstance(Ci.nsIMsgAttachment);
    attachment.url = Services.io.newFileURI(file).spec;
    attachment.name = file.leafName;
    attachment.size = file.fileSize;
    fields.addAttachment(attachment);
  }
  const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
  params.type = Ci.nsIMsgCompType.New;
  params.format = html ? Ci.nsIMsgCompFormat.HTML : Ci.nsIMsgCompFormat.PlainText;
  params.identity = MailServices.accounts.allIdentities.find(identity => identity.email == from);
  params.composeFields = fields;
  MailServices.compose.OpenComposeWindowWithParams(null, params);
}

function composer() {
  return Services.wm.getMostRecentWindow("msgcompose");
}

/** Whether Bob could send now: the editor is there, and the recipients have been looked at. */
function canSend() {
  const window = composer();
  if (!window?.composeEditorReady || !window.gLoadingComplete) {
    return false;
  }
  const controller = window.controllers.getControllerForCommand("cmd_sendNow");
  return !!controller?.isCommandEnabled("cmd_sendNow");
}

/** Sends what is in the window, in the way that Bob chose. */
async function send({ suite, encrypt, sign }) {
  const window = composer();
  window.gSelectedTechnologyIsPGP = suite == "pgp";
  window.gSendEncrypted = encrypt;
  window.gSendSigned = sign;
  // Thunderbird has its own idea of these, but not of what was chosen by hand.
  window.gUserTouchedSendEncrypted = true;
  window.gUserTouchedSendSigned = true;
  // The certificates of the recipients are looked up before, not while it sends.
  const checked = new Promise(resolve =>
    window.document.addEventListener("encryption-state-checked", resolve, { once: true })
  );
  window.checkEncryptionState("drive");
  await checked;
  window.goDoCommand("cmd_sendNow");
}

/** Whether the window is gone, as it is when the message has been sent. */
function composerGone() {
  return !composer();
}

/** Closes what is still open of a message that could not be sent, and the alert that says so: whether it is gone. */
function closeComposer() {
  const gone = composerGone();
  for (const window of [...Services.wm.getEnumerator(null)].reverse()) {
    if (window.gMsgCompose) {
      // Else it asks whether to save a draft.
      window.gMsgCompose.bodyModified = false;
      window.gContentChanged = false;
    }
    if (window.document.documentElement.getAttribute("windowtype") != "mail:3pane") {
      window.close();
    }
  }
  return gone;
}
