# Writes the certificate of CERTIFICATE (base64) and PASSWORD where signtool finds it, and says how to sign to
# build/signing.py, through the environment of the next steps.
$ErrorActionPreference = "Stop"
$file = Join-Path $env:RUNNER_TEMP "certificate.pfx"
[IO.File]::WriteAllBytes($file, [Convert]::FromBase64String($env:CERTIFICATE))
$password = ConvertTo-SecureString $env:PASSWORD -AsPlainText -Force
$certificate = Import-PfxCertificate -FilePath $file -CertStoreLocation Cert:\CurrentUser\My -Password $password
Remove-Item $file
$signtool = Get-ChildItem "${env:ProgramFiles(x86)}\Windows Kits\10\bin\*\x64\signtool.exe" | Select-Object -Last 1
$path = $signtool.FullName.Replace("\", "/")
$command = "'$path' sign /sha1 $($certificate.Thumbprint) /fd sha256 /td sha256 /tr http://timestamp.digicert.com"
"SIGN_COMMAND=$command" | Out-File -FilePath $env:GITHUB_ENV -Encoding utf8 -Append
